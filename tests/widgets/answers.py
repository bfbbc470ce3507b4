"""Results that read like a real comparison: answers of a support desk by three prompt versions, with gaps."""

from __future__ import annotations

from tests.results import runs
from toolkit._records import FrozenDict, Prompt, Response, Usage
from toolkit.results import Results

_CUSTOMERS = ("Ana", "Bo", "Chidi", "Dorothea", "Emre", "Fatima", "Goran", "Hanna")

_OLD = (
    "Hello {name}, thank you for your message. Your order {order} has left our warehouse and should arrive within five "
    "working days. If it does not, please write to us again and we will look into it."
)
_NEW = (
    "Hello {name}, thanks for your message. Order {order} left our warehouse yesterday and should arrive within three "
    "working days. If it does not, reply to this mail and we will refund the shipping."
)
_SHORT = "Hi {name}! {order} is on its way. Arrives in 3 days, or shipping is on us."


def _answer(text: str, place: int, factor: float) -> Response:
    body = FrozenDict({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})
    usage = Usage(input_tokens=180, output_tokens=len(text.split()) * 4 // 3)
    return runs.response(text, usage=usage, latency_s=0.4 + factor * (place % 5) / 4, raw=body)


def some_results(cases: int = 60, *, arms: int = 3) -> Results:
    """Returns the results of a run: `arms` prompt versions, some answers equal, some worse, some without an answer."""
    lines: list[list[object]] = []
    for place, template in enumerate([_OLD, _NEW, _SHORT, _OLD, _NEW, _SHORT][:arms]):
        line: list[object] = []
        for case in range(cases):
            text = template.format(name=_CUSTOMERS[case % len(_CUSTOMERS)], order=f"A-{17 + case}")
            if place and case % 7 == 3:
                text = _OLD.format(name=_CUSTOMERS[case % len(_CUSTOMERS)], order=f"A-{17 + case}")
            line.append(_answer(text, case, 0.5 + place / 2))
        lines.append(line)
    lines[-1][1] = runs.failure("timeout", "no answer within 60 s, after 3 attempts")
    lines[-1][cases // 2] = None
    variables = [{"customer": _CUSTOMERS[case % len(_CUSTOMERS)], "order": f"A-{17 + case}"} for case in range(cases)]
    right = [[float((case + 2 * place) % 4 != 0) for case in range(cases)] for place in range(arms)]
    scores: dict[str, list[list[float | None]]] = {"polite": [list(line) for line in right]}
    scores["polite"][-1][1] = None
    scores["polite"][-1][cases // 2] = None
    prompts = [
        Prompt(
            prompt_id="support/delivery",
            version=str(place + 5),
            kind="text",
            template="Answer {{customer}}, who asks where order {{order}} is. Be polite.",
            source="folder",
        )
        for place in range(arms)
    ]
    made = [runs.arm(place, prompt=each) for place, each in enumerate(prompts)]
    return Results(runs.run(lines, arms=made, variables=variables, scores=scores))
