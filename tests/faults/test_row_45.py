"""Row 45: odd characters come back from the store as they came from the wire, and do no harm in any export."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOON, make_arm, make_trial
from tests.faults.calls import walk
from tests.faults.streams import read_stream
from tests.results import runs
from tests.results.test_security import read
from tests.servers._process import ServerProcess
from tests.servers.fault_server import completion
from toolkit import _sync
from toolkit._records import Case, FrozenDict, Outcome, Response, RunView
from toolkit.results import Results
from toolkit.store import RunStore

ODD = [
    "\ud800", "\udfff", "\x00", "\u2028", "\u2029", "\x85", "\u202e", "\u2066", "\u200d", "\ufeff", "\x1b[31m",
    "\r", "\n", "\t", "\U0001f468\u200d\U0001f469", "e\u0301", "\u05d0", "|", "`", "$x$", "<b>", "&amp;", '"', "'", ",",
    "=1+1", "\\", "{{x}}", "nan", "",
]  # fmt: skip


def as_received(text: str) -> str:
    """The two halves of a letter beyond 16 bits are that letter, as in every JSON that comes from a wire."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


LETTERS = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=()), max_size=5)
TEXTS = st.lists(LETTERS, max_size=6).map(lambda letters: as_received("".join(letters)))


def stored(texts: list[str], folder: Path) -> RunView:
    """A run whose answers have these texts, written to a store and read by another."""
    arm = make_arm()
    trials = [
        make_trial(f"t1:{at}", arm=arm, case=Case(index=at, variables=FrozenDict({"word": text})))
        for at, text in enumerate(texts)
    ]

    async def write(store: RunStore) -> None:
        await store.save_run(run_id="run-1", created_at=NOON, arms=(arm,), trials=trials, baseline=0)
        for trial, text in zip(trials, texts, strict=True):
            attempt = await store.begin_attempt(
                run_id="run-1", trial_id=trial.trial_id, request_key="r1:a", sent_at=NOON
            )
            response = runs.response(text, raw=FrozenDict({"said": text}), refusal=text or None, flags=(text,))
            outcome = Outcome(trial_id=trial.trial_id, request_key="r1:a", status="ok", response=response)
            await store.finish(outcome, run_id="run-1", attempt_id=attempt)

    for work in (write, None):
        store = RunStore(folder / "runs.sqlite")
        try:
            if work is None:
                return store.load_run("run-1")
            _sync.run(work(store))
        finally:
            store.close()
    raise AssertionError("unreachable")


def escaped(text: str) -> str:
    """How NUL and lone surrogates are shown where a format cannot hold them."""
    shown = [
        "\\x00" if letter == "\0" else f"\\u{ord(letter):04x}" if "\ud800" <= letter <= "\udfff" else letter
        for letter in text
    ]
    return "".join(shown)


@pytest.mark.fault(45)
@given(texts=st.lists(TEXTS, min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_any_text_survives_the_store_and_every_export(tmp_path_factory: Any, texts: list[str]) -> None:
    """Whatever an answer says: the store and JSON Lines give it back exactly, the other forms whole and harmless."""
    folder = tmp_path_factory.mktemp("odd")
    view = stored(texts, folder)
    kept = [view.outcomes[trial.trial_id].response for trial in view.trials]
    assert [(one.text, one.raw["said"], one.refusal or "", one.flags) for one in kept if one is not None] == [
        (text, text, text, (text,)) for text in texts
    ]
    results = Results(view)
    frame = results.df
    assert frame["text"].tolist() == texts
    assert frame["var.word"].tolist() == texts
    lines = results.export(folder / "x.jsonl").read_text("ascii").splitlines()
    assert [json.loads(line)["text"] for line in lines] == texts
    with results.export(folder / "x.csv", safe=False).open(encoding="utf-8", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == [escaped(text) for text in texts]
    packed = pd.read_parquet(results.export(folder / "x.parquet"))["text"]
    assert packed.tolist() == [escaped(text) for text in texts]
    report = results.export(folder / "x.md").read_bytes().decode("utf-8")
    page = results._repr_html_()
    for shown in (report, page, str(results)):
        shown.encode("utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", shown)
    plain = Results(replace(runs.run([["harmless"] * len(texts)]), run_id="run-1"))
    assert set(read(page).elements) <= {*read(plain._repr_html_()).elements, "span"}
    assert set(re.findall("<[^>]*>?", report)) <= {"<br>"}


@pytest.mark.fault(45)
@pytest.mark.parametrize(
    "text", ["\ud800 lone", "a\x00b", "\u2028\u2029", "\u202eabc\u2066", "\U0001f468\u200d\U0001f469", "x" * 1_000_000]
)
def test_any_text_comes_from_the_wire_as_it_was_sent(server: ServerProcess, text: str) -> None:
    """An answer's text arrives to the last code point, escaped or not, by one request."""
    server.control(body=completion(text))
    walked = walk(server)
    assert (walked.outcome.text, len(walked.requests)) == (text, 1)


@pytest.mark.fault(28, 45)
@pytest.mark.parametrize("anthropic", [False, True])
def test_a_letter_that_two_events_share_is_one_letter(anthropic: bool) -> None:
    """A letter whose halves come in two events of a stream is whole in the answer, in either protocol."""
    halves = ["\ud83d", "\ude00 and \ud800"]
    if anthropic:
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {"id": "m"}},
            *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": h}} for h in halves),
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ]
    else:
        events = [{"choices": [{"index": 0, "delta": {"content": half}}]} for half in halves]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    response = read_stream([stream], anthropic=anthropic)
    assert isinstance(response, Response)
    assert response.text == "\U0001f600 and \ud800"


@pytest.mark.fault(45)
def test_a_line_of_a_megabyte_is_kept_and_its_table_stays_small(tmp_path: Path) -> None:
    """A megabyte in one line is in every export whole, and a page shows its beginning."""
    text = "x" * 1_000_000
    results = Results(stored([text], tmp_path))
    assert pd.read_csv(results.export(tmp_path / "x.csv"))["text"][0] == text
    assert json.loads(results.export(tmp_path / "x.jsonl").read_text())["text"] == text
    assert len(results._repr_html_()) < 100_000
