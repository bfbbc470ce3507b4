"""How a plan is shown before money is spent: a block for a terminal, a table for a notebook, one line for a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from toolkit._records import Arm, Case
from toolkit.engine import usd_words
from toolkit.providers import Estimate
from toolkit.results import arm_labels, counted, element, for_screen, joined
from toolkit.sweep._preflight import (
    ASSUMED_OUTPUT_TOKENS,
    ArmEstimate,
    Caps,
    CostRange,
    Preflight,
    cost_words,
    time_words,
)


class Planned(Protocol):
    """What is shown of a plan; the fields are described there."""

    @property
    def run_id(self) -> str: ...

    @property
    def arms(self) -> tuple[Arm, ...]: ...

    @property
    def cases(self) -> tuple[Case, ...]: ...

    @property
    def repeats(self) -> int: ...

    @property
    def baseline(self) -> int: ...

    @property
    def stored(self) -> int: ...

    @property
    def preflight(self) -> Preflight | None: ...

    @property
    def caps(self) -> Caps: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def trials(self) -> int: ...

    @property
    def new(self) -> int: ...

    @property
    def input_tokens(self) -> Estimate: ...


_HEADINGS = ("arm", "to send", "input tokens", "cost low", "expected", "worst")

_SHOWN_ARMS = 40

# Colours come from the notebook, so that the table reads in a light and in a dark one.
_CELL = "padding:.2em .6em;border-bottom:1px solid rgba(128,128,128,.4);vertical-align:top;"
_TEXT = _CELL + "text-align:left;white-space:pre-wrap"
_NUMBER = _CELL + "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"
_TABLE = "border-collapse:collapse;margin:.3em 0"
_LINE = "margin:.25em 0"


def bill_line(plan: Planned) -> str:
    """Returns the plan in one line: `36 to send, 12 stored · about $0.12 ($0.05 to at most $1.30) · about 2 min`."""
    parts = [f"{plan.new:,} to send, {plan.stored:,} stored"]
    if plan.new and plan.preflight is not None:
        parts += [cost_words(plan.preflight.cost_usd), time_words(plan.preflight.seconds)]
    if plan.caps.is_limited:
        parts.append(_caps_words(plan))
    return " · ".join(parts)


def bill_text(plan: Planned) -> str:
    """Returns the block that a terminal shows."""
    rows = [_HEADINGS, *_rows(plan)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    table = [
        "  "
        + "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join(
        [
            _headline(plan),
            *table,
            *_more_arms(plan),
            *(f"  {line}" for line in (*_shared(plan), *_totals(plan))),
            *_notes(plan),
        ]
    )


def bill_html(plan: Planned) -> str:
    """Returns the table that a notebook shows: static, everything escaped."""
    heading = element(
        "tr",
        [
            element("th", name, scope="col", style=_TEXT if place == 0 else _NUMBER)
            for place, name in enumerate(_HEADINGS)
        ],
    )
    body = [
        element(
            "tr",
            [element("td", cell, style=_TEXT if place == 0 else _NUMBER) for place, cell in enumerate(row)],
        )
        for row in _rows(plan)
    ]
    table = element("table", element("thead", heading), element("tbody", joined(body)), style=_TABLE)
    lines = [*_more_arms(plan), *_shared(plan), *_totals(plan)]
    return element(
        "div",
        element("p", element("strong", _headline(plan)), class_="toolkit-headline", style="margin:.3em 0"),
        element("div", table, style="overflow-x:auto"),
        [element("p", line.strip(), style=_LINE) for line in lines],
        [element("p", f"⚠ {line.strip()}", style=f"{_LINE};font-weight:600") for line in _notes(plan)],
        class_="tex2jax_ignore mathjax_ignore",
    )


def _headline(plan: Planned) -> str:
    return (
        f"{counted(plan.trials, 'trial')} = {counted(len(plan.arms), 'arm')} x {counted(len(plan.cases), 'case')} x "
        f"{counted(plan.repeats, 'repeat')}; "
        f"{plan.stored:,} stored, {plan.new:,} to send  ({plan.run_id})"
    )


def _rows(plan: Planned) -> list[Sequence[str]]:
    found: list[Sequence[str]] = []
    estimates = plan.preflight.arms if plan.preflight is not None else (None,) * len(plan.arms)
    names = [_arm_words(arm) for arm in plan.arms] if len(plan.arms) == 1 else _short_names(plan.arms)
    for arm, name, estimate in list(zip(plan.arms, names, estimates, strict=True))[:_SHOWN_ARMS]:
        mark = "  (baseline)" if arm.index == plan.baseline else ""
        found.append((for_screen(name + mark, keep_lines=False), *_cells(estimate)))
    return found


def _cells(estimate: ArmEstimate | None) -> tuple[str, ...]:
    if estimate is None:
        return "?", "?", "?", "?", "?"
    cost: CostRange = estimate.cost_usd
    costs = [("?" if usd is None else usd_words(usd)) for usd in (cost.low, cost.expected, cost.worst)]
    if not estimate.new:
        return "0", "-", "-", "-", "-"
    return (f"{estimate.new:,}", f"{estimate.input_tokens.expected:,}", *costs)


def _short_names(arms: Sequence[Arm]) -> list[str]:
    """The names that the results will have for the arms; with a prompt that differs, the label it was asked for by."""
    names = arm_labels(arms)
    if len({_prompt_words(arm) for arm in arms}) == 1:
        return names
    return [f"{name}{_label_words(arm)}" for name, arm in zip(names, arms, strict=True)]


def _shared(plan: Planned) -> list[str]:
    """What the short names of several arms leave out, since all arms have it."""
    if len(plan.arms) == 1:
        return []
    prompts, sources, models = (
        {_prompt_words(arm) for arm in plan.arms},
        {arm.prompt.source for arm in plan.arms},
        {arm.model for arm in plan.arms},
    )
    params = set.intersection(*({_param_words(*each) for each in arm.params.items()} for arm in plan.arms))
    first = plan.arms[0]
    parts = [
        *(prompts if len(prompts) == 1 else [f"prompts of {first.prompt.source!r}"] if len(sources) == 1 else []),
        *(models if len(models) == 1 else []),
        ", ".join(words for each in first.params.items() if (words := _param_words(*each)) in params),
    ]
    told = " · ".join(part for part in parts if part)
    return [for_screen(f"in every arm: {told}", keep_lines=False)] if told else []


def _arm_words(arm: Arm) -> str:
    params = ", ".join(_param_words(*each) for each in arm.params.items())
    return f"{_prompt_words(arm)} · {arm.model}{' · ' + params if params else ''}"


def _prompt_words(arm: Arm) -> str:
    return f"{arm.prompt.reference}{_label_words(arm)}"


def _label_words(arm: Arm) -> str:
    return f" [{arm.prompt.label}]" if arm.prompt.label else ""


def _param_words(name: str, value: object) -> str:
    return f"{name}={value!r}"


def _totals(plan: Planned) -> list[str]:
    """The sums, each with where it comes from."""
    if not plan.new:
        return ["everything is stored: nothing would be sent"]
    flight, tokens = plan.preflight, plan.input_tokens
    if flight is None:
        return []
    weighed = "" if flight.weighed_every == 1 else f", from every {flight.weighed_every}th row"
    lines = [f"about {tokens.expected:,} input tokens in all ({tokens.low:,} to {tokens.high:,}{weighed})"]
    cost = cost_words(flight.cost_usd)
    unseen = [arm for arm in flight.arms if arm.new and not arm.answers_seen]
    if unseen and flight.cost_usd.expected:
        cost += f"; answers of models without stored ones are taken as {ASSUMED_OUTPUT_TOKENS} tokens, or `max_tokens`"
    if flight.cost_usd.expected is None:
        unpriced = dict.fromkeys(
            plan.arms[each.arm].model for each in flight.arms if each.new and each.cost_usd.expected is None
        )
        cost += f": no price for {', '.join(map(repr, unpriced))}; give `prices`"
    lines.append(cost if cost != "$0" else "cost $0: the models run in this process")
    seconds = time_words(flight.seconds)
    if flight.seconds is None:
        lines.append("time unknown: not every model has stored answers to go by")
    else:
        lines.append(f"{seconds} at {flight.concurrency} calls in flight, by the answers stored so far")
    if plan.caps.is_limited:
        lines.append(_caps_words(plan))
    return lines


def _caps_words(plan: Planned) -> str:
    caps, worst = plan.caps, plan.preflight.cost_usd.worst if plan.preflight is not None else None
    words = []
    if caps.budget_usd is not None:
        over = " (may not be enough for all)" if worst is None or worst > caps.budget_usd else ""
        words.append(f"budget {usd_words(caps.budget_usd)}{_too_small_for_one(plan, caps.budget_usd) or over}")
    if caps.max_calls is not None:
        words.append(f"at most {counted(caps.max_calls, 'call')}")
    if caps.max_tokens is not None:
        words.append(f"at most {counted(caps.max_tokens, 'token')}")
    return ", ".join(words)


def _too_small_for_one(plan: Planned, budget_usd: float) -> str:
    """Says which model's single request may come to more than the whole budget; empty when none may."""
    for estimate in plan.preflight.arms if plan.preflight is not None else ():
        worst = estimate.cost_usd.worst
        if estimate.new and worst is not None and worst / estimate.new > budget_usd:
            model = plan.arms[estimate.arm].model
            return (
                f" (less than the {usd_words(worst / estimate.new)} that one request to {model!r} may cost: "
                "set `max_tokens` in params, or raise it)"
            )
    return ""


def _more_arms(plan: Planned) -> list[str]:
    hidden = len(plan.arms) - _SHOWN_ARMS
    return [f"  and {counted(hidden, 'more arm')}"] if hidden > 0 else []


def _notes(plan: Planned) -> list[str]:
    return [f"  note: {for_screen(note, keep_lines=False)}" for note in plan.notes]
