"""Which arms a promotion is about: those of the candidate, those of the version that has the label, in pairs."""

from __future__ import annotations

from collections.abc import Sequence

from toolkit._records import Arm, Prompt, RunView
from toolkit.errors import PromotionRefusedError, UsageError
from toolkit.results._labels import arm_labels, fitting_arms
from toolkit.results._words import listed


def candidate_arms(view: RunView, prompt: str) -> list[int]:
    """Returns the places of the arms of the prompt that is to be promoted; all of them are of one version.

    Args:
        view: The run.
        prompt: `reply@8`, `folder:reply@8`, or the label of one arm, which is then judged alone.

    Raises:
        UsageError: If it is no arm's prompt, or stands for several prompts.
    """
    labels = arm_labels(view.arms)
    if not isinstance(prompt, str):
        raise UsageError(_no_name(prompt))
    if not view.is_grid:
        raise UsageError(
            "Live calls answer different cases, which proves little; sweep both versions over the same cases."
        )
    places = fitting_arms(view.arms, prompt)
    if not places:
        about = listed(labels)
        names = {(each.prompt.source, each.prompt.prompt_id) for each in view.arms}
        if any(prompt in (name, f"{source}:{name}") for source, name in names):
            raise UsageError(f"{prompt!r} does not say which version is to be promoted; this run has {about}.")
        raise UsageError(
            f"This run has no answers of {prompt!r}, so that nothing is known of it; it has {about}. Name one of these "
            "by its version, or sweep the other first."
        )
    found = {view.arms[place].prompt.reference for place in places}
    if len(found) > 1:
        raise UsageError(f"{prompt!r} stands for {listed(sorted(found))}; name one of them.")
    return places


def _no_name(prompt: object) -> str:
    reference = getattr(prompt, "reference", None)
    got = f"the prompt itself; give {reference!r}" if isinstance(reference, str) else repr(prompt)
    return f"The prompt to promote is named by text such as 'reply@8'; got {got}."


def version_arms(view: RunView, like: Prompt, version: str) -> list[int]:
    """Returns the places of the arms of another version of the same prompt; empty when there is none."""
    return [
        place
        for place, arm in enumerate(view.arms)
        if (arm.prompt.source, arm.prompt.prompt_id, arm.prompt.version) == (like.source, like.prompt_id, version)
    ]


def versions_of(view: RunView, like: Prompt) -> set[str]:
    """Returns every version of a prompt that the run has."""
    same = [
        arm.prompt for arm in view.arms if (arm.prompt.source, arm.prompt.prompt_id) == (like.source, like.prompt_id)
    ]
    return {prompt.version for prompt in same}


def in_pairs(view: RunView, candidates: Sequence[int], holders: Sequence[int]) -> list[tuple[int, int]]:
    """Returns each candidate's arm with the holder's arm that it is measured against.

    That is the one of the same model and params; where a version brings params of its own, the only one of the same
    model; where each version has one arm, these two.

    Raises:
        PromotionRefusedError: If an arm has no such partner.
    """
    pairs: list[tuple[int, int]] = []
    for place in candidates:
        mine = view.arms[place]
        partners = [other for other in holders if _setting(view.arms[other]) == _setting(mine)]
        if not partners:
            rivals = [each for each in candidates if _model(view.arms[each]) == _model(mine)]
            same = [other for other in holders if _model(view.arms[other]) == _model(mine)]
            partners = same if len(same) == len(rivals) == 1 else []
        if not partners and len(candidates) == len(holders) == 1:
            partners = list(holders)
        if len(partners) != 1:
            labels = arm_labels(view.arms)
            raise PromotionRefusedError(
                f"{labels[place]!r} has no arm of the same model and params to be measured against; the version that "
                f"has the label has: {listed([labels[other] for other in holders])}. Sweep both versions on the same "
                "models and params, or name one arm by its label."
            )
        pairs.append((place, partners[0]))
    return pairs


def _model(arm: Arm) -> tuple[str, str, str]:
    return arm.model, arm.provider, arm.model_sent


def _setting(arm: Arm) -> tuple[object, ...]:
    return (*_model(arm), arm.params)
