"""How a prompt version gets a label on the strength of results: asked, weighed, refused or proposed, confirmed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from toolkit import _sync
from toolkit._notebook import has_kernel
from toolkit._records import Prompt, RunView
from toolkit.errors import PromotionRefusedError, UsageError
from toolkit.prompts import PromotingPromptSource, as_text
from toolkit.results._diff import word_diff
from toolkit.results._labels import arm_labels
from toolkit.results._promotion import Promotion, holder_words
from toolkit.results._promotion_arms import candidate_arms, in_pairs, version_arms, versions_of
from toolkit.results._promotion_gate import Gate, Terms, hold_gate
from toolkit.results._promotion_proposal import Proposal, edited
from toolkit.results._promotion_source import FindSource, promoting_source, read_anew


class PromotionFace:
    """The part of `Results` that moves labels."""

    _view: RunView
    _note: str
    _find_source: FindSource | None
    _traces: Mapping[str, str]
    _compare_url: str | None

    def promote(
        self,
        prompt: str,
        label: str = "production",
        *,
        score: str | None = None,
        against: str | None = None,
        min_gain: float | None = None,
        max_regressions: int | None = None,
        max_cost_ratio: float | None = None,
        level: float = 0.95,
        confirm: bool = True,
    ) -> Promotion:
        """Moves a label to a prompt version that is shown to be good enough, and keeps the evidence beside it.

        The version that has the label now is asked for at the source, and has to be among the arms: the candidate is
        measured against it on the same cases. Where both stand on several models or params, every one must pass. The
        gate lets a candidate through when

        - the interval of its gain lies above `min_gain`; without one, above a loss of 0.02 in the score's unit, which
          is two points of a share: it is shown to be not worse by more than that. A version that is worse by as much
          gets through in at most 2.5 of 100 runs at the level 0.95. Where the run has several versions that could be
          promoted, the interval is widened for their number, so that this holds for the best of them, too.
        - it has no more trials without an answer or a score than the other, and not more than 2 % are missing in all.
        - `max_regressions` and `max_cost_ratio` hold, where they are given.

        In a notebook the promotion is shown with a button and moves nothing until that, or `confirm()`, is called. In a
        terminal it asks. The label is moved only from the version that was measured against: when somebody else has
        moved it meanwhile, nothing is done. Evidence is written after the move: in Langfuse as a comment on the
        version, in a folder as an entry of `evidence/NAME.LABEL.yaml`. Where nobody has the label, there is nothing to
        be not worse than: say with `against` which version stands for it.

        Args:
            prompt: The version to promote, as `support-reply@8`; the label of one arm = judged on that arm alone.
            label: The label to move.
            score: Name of a score; `None` = the first.
            against: Version to measure against when nobody has the label; `None` = the one that has it.
            min_gain: What the lower end of the gain's interval must lie above, in the score's unit, counted in favour
                of the candidate: 0 = shown to be better, -0.05 = shown to lose less than five points.
            max_regressions: Most cases that may have got worse, those without an answer now among them.
            max_cost_ratio: Most that an answer may cost, as a multiple of the other's: the ratio of the means over the
                cases that both answered. A cost that is not known does not pass.
            level: Confidence level of the interval.
            confirm: Whether somebody is asked first; `False` moves the label at once.

        Raises:
            PromotionRefusedError: If a condition does not hold, with the numbers in its message and its `gate`; if the
                version that has the label is not among the arms, or a version was edited since. Nothing was moved.
            UsageError: If the prompt is no arm's, an argument makes no sense, the source cannot be written to, or
                nobody can be asked to confirm.
            PromptSourceError: If the source cannot be reached or refuses it.

        Example:
            >>> results.promote("support-reply@8", max_regressions=2)    # doctest: +SKIP
            >>> results.promote("support-reply@8", confirm=False).rollback()    # doctest: +SKIP
        """
        terms = Terms(
            score=score,
            min_gain=min_gain,
            max_regressions=max_regressions,
            max_cost_ratio=max_cost_ratio,
            level=level,
        )
        terms.check()
        if not isinstance(label, str) or not label:
            raise UsageError(f"`label` is a label such as 'production'; got {label!r}.")
        places = candidate_arms(self._view, prompt)
        in_kernel = has_kernel()
        if confirm and not in_kernel and not sys.stdin.isatty():
            raise UsageError("There is nobody to ask here; confirm=False moves the label at once when the gate passes.")
        source = promoting_source(self._find_source, self._view.arms[places[0]].prompt.source)
        promotion = Promotion(self._propose(source, places, label, against, terms), source)
        if confirm and in_kernel:
            return promotion
        if confirm:
            sys.stdout.write(f"{promotion!r}\n")
            if input(f"Move {label!r}? Type yes: ").strip().lower() not in ("y", "yes"):
                sys.stdout.write("Nothing was moved.\n")
                return promotion
        return promotion.confirm()

    def _propose(
        self, source: PromotingPromptSource, places: Sequence[int], label: str, against: str | None, terms: Terms
    ) -> Proposal:
        """Asks who has the label, holds the gate, and returns what would be done."""
        view = self._view
        mine = view.arms[places[0]].prompt
        held_by = _holder(_sync.run(source.holders(mine.prompt_id, label)), mine, label)
        if held_by == mine.version:
            raise PromotionRefusedError(
                f"{mine.reference!r} has the label {label!r} already; there is nothing to move."
            )
        other = self._other(mine, label, held_by, against)
        rivals = version_arms(view, mine, other)
        if not rivals:
            raise PromotionRefusedError(_not_swept(mine, label, other, arm_labels(view.arms)))
        its = view.arms[rivals[0]].prompt
        for used in (mine, its):
            now = _sync.run(read_anew(source, used.prompt_id, used.version))
            if now.fingerprint != used.fingerprint:
                raise edited(used.reference, view.run_id)
        terms = replace(terms, candidates=len(versions_of(view, mine) - {other}))
        held = hold_gate(view, in_pairs(view, places, rivals), terms)
        proposal = Proposal(
            source=mine.source,
            prompt_id=mine.prompt_id,
            label=label,
            version=mine.version,
            held_by=held_by,
            against=other,
            fingerprint=mine.fingerprint,
            run_id=view.run_id,
            gate=held.gate,
            verdict=tuple(one.sentence for one in held.compared),
            change=tuple(word_diff(as_text(its), as_text(mine))) if as_text(its) != as_text(mine) else (),
            note=self._note,
            link=self._page_of(places),
        )
        if not held.gate.passed:
            raise _refusal(proposal)
        return proposal

    def _page_of(self, places: Sequence[int]) -> str | None:
        """Where Langfuse shows these results: the page that compares the arms, else a trace of the candidate."""
        if self._compare_url is not None:
            return self._compare_url
        indexes = {self._view.arms[place].index for place in places}
        mine = (trial.trial_id for trial in self._view.trials if trial.arm.index in indexes)
        return next((self._traces[trial_id] for trial_id in mine if trial_id in self._traces), None)

    def _other(self, mine: Prompt, label: str, held_by: str | None, against: str | None) -> str:
        """Returns the version that the candidate is measured against."""
        stand_in = None if against is None else self._view.arms[candidate_arms(self._view, against)[0]].prompt
        if stand_in is not None and (stand_in.source, stand_in.prompt_id) != (mine.source, mine.prompt_id):
            raise UsageError(
                f"against={against!r} is another prompt than {mine.prompt_id!r}; name a version of that one."
            )
        if held_by is None:
            if stand_in is None:
                raise PromotionRefusedError(
                    f"Nobody has the label {label!r} of {mine.source}:{mine.prompt_id}, so that there is nothing to be "
                    f"not worse than. Next: against='{mine.prompt_id}@...' names the version of this run that stands "
                    f"for it; tk.prompt({mine.reference!r}).label({label!r}) moves it without proof."
                )
            if stand_in.version == mine.version:
                raise UsageError(f"against={against!r} is the candidate itself; name another version of this run.")
            return stand_in.version
        if stand_in is not None and stand_in.version != held_by:
            raise UsageError(
                f"against={against!r} has not the label {label!r}: version {held_by} has. Leave `against` out."
            )
        return held_by


def _holder(versions: Sequence[str], mine: Prompt, label: str) -> str | None:
    if len(versions) > 1:
        raise PromotionRefusedError(
            f"The label {label!r} of {mine.source}:{mine.prompt_id} is on {holder_words(versions)} at once; put it "
            "on one of them at the source first."
        )
    return versions[0] if versions else None


def _not_swept(mine: Prompt, label: str, other: str, labels: Sequence[str]) -> str:
    name = f"{mine.source}:{mine.prompt_id}"
    return (
        f"The label {label!r} of {name} is on version {other}, which is not among the arms of this run "
        f"({', '.join(labels)}), so that nothing is known of the difference. Next: sweep both: "
        f"prompts=['{name}@{label}', '{name}@{mine.version}']."
    )


def _refusal(proposal: Proposal) -> PromotionRefusedError:
    gate: Gate = proposal.gate
    told = "\n".join(f"- {each.what}: {each.sentence}" for each in gate.failing)
    note = f"\n{proposal.note}" if proposal.note else ""
    kept = f"{proposal.label!r} stays where it is"
    return PromotionRefusedError(
        f"{proposal.reference!r} does not get the label; {kept}. Of {len(gate.conditions)} conditions "
        f"{len(gate.failing)} did not hold:\n{told}{note}",
        gate=gate,
    )
