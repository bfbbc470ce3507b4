"""Short names of arms that tell them apart: `reply@8 · gpt-4o-mini · t=0`, without what all arms share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from toolkit._records import Arm, RunView
from toolkit.errors import UsageError
from toolkit.results._columns import cell_text
from toolkit.results._screen import for_screen

# Longer values of params are cut: a label heads a column.
_MOST_VALUE_CHARACTERS = 24

_SHORT_NAMES = {"temperature": "t"}


def arm_labels(arms: Sequence[Arm]) -> list[str]:
    """Returns one label an arm, all different; control characters are shown as escapes.

    A label has the prompt with its version, the model and the params, each only when the arms differ in it. A single
    arm has its prompt and model. The prompt's source and the model's provider stand in it only where they are needed.
    """
    prompts, models = _prompts(arms), _models(arms)
    parts: list[list[str]] = []
    for place, arm in enumerate(arms):
        shown = [
            *([prompts[place]] if len(arms) == 1 or len(set(prompts)) > 1 else []),
            *([models[place]] if len(arms) == 1 or len(set(models)) > 1 else []),
            *_params(arm, arms),
        ]
        parts.append(shown or [prompts[place], models[place]])
    labels = [for_screen(" · ".join(shown), keep_lines=False) for shown in parts]
    return _made_unique(labels)


def find_arm(view: RunView, arm: str | int) -> int:
    """Returns the place of the arm meant by a label, an index, or a prompt as `reply@8` or `folder:reply@8`.

    Raises:
        UsageError: If there is none, or several.
    """
    fitting = fitting_arms(view.arms, arm)
    if len(fitting) == 1:
        return fitting[0]
    labels = arm_labels(view.arms)
    several = f"fits {len(fitting)} arms" if fitting else "is no arm"
    raise UsageError(f"{arm!r} {several} of this run; give a label or index of: {', '.join(labels)}.")


def fitting_arms(arms: Sequence[Arm], arm: str | int) -> list[int]:
    """Returns the places of every arm that a label, an index or a prompt stands for."""
    if isinstance(arm, int):
        return [place for place, each in enumerate(arms) if each.index == arm]
    labels = arm_labels(arms)
    if arm in labels:
        return [labels.index(arm)]
    return [
        place
        for place, each in enumerate(arms)
        if arm
        in (
            each.prompt.reference,
            f"{each.prompt.prompt_id}@{each.prompt.version}",
            *(f"{each.prompt.prompt_id}@{label}" for label in (each.prompt.label,) if label is not None),
        )
    ]


def _prompts(arms: Sequence[Arm]) -> list[str]:
    # Live calls that brought their own messages have a prompt without a name.
    names = [
        f"{arm.prompt.prompt_id}@{arm.prompt.version}" if arm.prompt.prompt_id else arm.prompt.source for arm in arms
    ]
    full = [arm.prompt.reference for arm in arms]
    return names if len(set(names)) == len(set(full)) else full


def _models(arms: Sequence[Arm]) -> list[str]:
    short = [arm.model.rpartition("/")[2] or arm.model for arm in arms]
    asked = [arm.model for arm in arms]
    names = short if len(set(short)) == len(set(asked)) else asked
    sent = Counter(model for model, _ in {(arm.model, arm.model_sent) for arm in arms})
    # One alias that stands for several models, as in a split, says which.
    return [
        f"{name} ({arm.model_sent})" if sent[arm.model] > 1 else name for name, arm in zip(names, arms, strict=True)
    ]


def _params(arm: Arm, arms: Sequence[Arm]) -> list[str]:
    names = sorted({name for each in arms for name in each.params})
    shown = []
    for name in names:
        values = [cell_text(each.params.get(name)) for each in arms]
        if len(set(values)) > 1:
            value = cell_text(arm.params.get(name)) if name in arm.params else "default"
            value = "none" if value is None else value
            cut = value if len(value) <= _MOST_VALUE_CHARACTERS else value[: _MOST_VALUE_CHARACTERS - 1] + "…"
            shown.append(f"{_SHORT_NAMES.get(name, name)}={cut}")
    return shown


def _made_unique(labels: Sequence[str]) -> list[str]:
    counts = Counter(labels)
    taken = {label for label, count in counts.items() if count == 1}
    unique = []
    for label in labels:
        number, candidate = 1, label
        while counts[label] > 1 and (candidate == label or candidate in taken):
            candidate = f"{label} #{number}"
            number += 1
        taken.add(candidate)
        unique.append(candidate)
    return unique
