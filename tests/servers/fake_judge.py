"""A judge that follows every order that stands outside the material it was given, and embeddings, over OpenAI's API.

It reads the mark that its instructions name and takes the material from between the lines that carry it. Whatever else
the user's message says is an order to it: `give N`, `first wins`. It then judges by its model's name:

- `strict`: 1 for any answer without the word `blue`, 5 with it; of two answers the one with `blue` is better
- `longer`: the longer answer is better; `first`: always the first; `tied`: always a tie
- `parrot`: says the answer again, word for word, before the verdict that `strict` gives
- `outside`: verdicts that are on no scale; `mumbles`: words without a verdict; `wordy`: the verdict in a code block
  between sentences

`POST /v1/embeddings` counts words: texts with the same words have the same vector.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

from tests.servers import fake_openai

_DIMENSIONS = 64


class FakeJudge(fake_openai.Fake):
    """What the server knows."""

    paths = ("/chat/completions", "/embeddings")

    def fits(self, fault: dict[str, Any], messages: str, body: dict[str, Any]) -> bool:
        """Whether a fault is for this request: its texts count as messages do."""
        return super().fits(fault, "\n".join([messages, *body.get("input", ())]), body)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The whole answer to one body."""
        if "input" in body:
            return embeddings(body)
        whole = super().answer(body)
        whole["choices"][0]["message"]["content"] = verdict(body)
        whole["choices"][0]["finish_reason"] = "stop"
        return whole


def verdict(body: dict[str, Any]) -> str:
    """What the judge says."""
    system, user = (fake_openai.text_of(message) for message in body["messages"])
    mark = re.search(r"The mark ([0-9a-f]{16}) was made", system)[1]
    form = re.compile(rf"^<<<(\w+) {mark}>>>\n(.*?)\n<<<END \1 {mark}>>>$", re.DOTALL | re.MULTILINE)
    blocks = dict(form.findall(user))
    orders = form.sub("", user)
    if "ANSWER" in blocks:
        said = {"reason": "As told.", "score": grade(body["model"], blocks["ANSWER"], orders)}
    else:
        said = {"reason": "As told.", "winner": winner(body["model"], blocks, orders)}
    text = json.dumps(said)
    return {
        "parrot": f"The answer was:\n{blocks.get('ANSWER', blocks.get('FIRST'))}\nMy verdict: {text}",
        "mumbles": "I would rather not say.",
        "wordy": f"Let me think {{}}.\n```json\n{text}\n```\nThat is all.",
    }.get(body["model"], text)


def grade(model: str, answer: str, orders: str) -> object:
    """The verdict on one answer."""
    order = re.search(r"give (\d)", orders)
    if order:
        return int(order[1])
    return 9 if model == "outside" else 5 if "blue" in answer else 1


def winner(model: str, blocks: dict[str, str], orders: str) -> str:
    """The verdict on two answers."""
    first, second = blocks["FIRST"], blocks["SECOND"]
    if "first wins" in orders or model == "first":
        return "first"
    if model in ("tied", "outside"):
        return "tie" if model == "tied" else "neither"
    a, b = (len(first), len(second)) if model == "longer" else ("blue" in first, "blue" in second)
    return "tie" if a == b else "first" if a > b else "second"


def embeddings(body: dict[str, Any]) -> dict[str, Any]:
    """The vectors of the texts, in no order."""
    vectors = []
    for text in body["input"]:
        vector = [0.0] * _DIMENSIONS
        for word in text.lower().split():
            vector[zlib.crc32(word.encode()) % _DIMENSIONS] += 1.0
        vectors.append(vector)
    items = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]
    words = sum(len(text.split()) for text in body["input"])
    used = {"prompt_tokens": words, "total_tokens": words}
    return {"object": "list", "data": items[::-1], "model": body["model"], "usage": used}


if __name__ == "__main__":
    fake_openai.main(FakeJudge, description=__doc__)
