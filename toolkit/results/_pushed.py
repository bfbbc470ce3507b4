"""What pushing results to Langfuse came to, as a value that a cell shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.langfuse import Push
from toolkit.results._html import element
from toolkit.results._screen import for_screen
from toolkit.results._words import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedExperiment:
    """What an arm is in Langfuse."""

    id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What Langfuse has of a run, and what this push added to it."""

    run_id: str
    name: str
    """Begins the name of each arm's experiment."""
    dataset: str | None
    """Dataset that the cases are items of; `None` = of none."""
    experiments: Mapping[str, PushedExperiment]
    """By the label of the arm."""
    generations: int
    """Generations that are there now."""
    generations_new: int
    """Those that this push added."""
    scores: int
    """Scores that are there now."""
    scores_new: int
    """Those that this push added, or changed."""
    failed: int
    """Generations and scores that Langfuse did not take; `problems` says why."""
    unsent: int
    """Trials that have no generation: they were never asked, or nothing is known of what became of them."""
    problems: tuple[str, ...]
    compare_url: str
    """Page that shows the arms beside each other, the baseline's first."""

    @property
    def is_whole(self) -> bool:
        """True when Langfuse has all that there is to push."""
        return not self.failed

    def __repr__(self) -> str:
        return "\n".join([*self._lines(), f"Compare: {self.compare_url}"])

    def _repr_html_(self) -> str:
        link = element("p", "Compare: ", element("code", for_screen(self.compare_url)))
        lines = [element("p", line) for line in self._lines()]
        return str(element("div", lines, link, class_="toolkit-pushed tex2jax_ignore mathjax_ignore", role="status"))

    def _lines(self) -> list[str]:
        on = f" on the dataset {self.dataset!r}" if self.dataset is not None else ""
        lines = [
            f"Langfuse has {self.name!r}{on}: {counted(len(self.experiments), 'experiment')}, "
            f"{counted(self.generations, 'generation')} ({self.generations_new:,} new), "
            f"{counted(self.scores, 'score')} ({self.scores_new:,} new)."
        ]
        if self.unsent:
            lines.append(f"{counted(self.unsent, 'trial')} without an answer or a failure: nothing to push.")
        if self.failed:
            lines.append(f"{self.failed:,} were not taken: {' '.join(self.problems)} The same call tries them again.")
        return [for_screen(line, keep_lines=False) for line in lines]


def pushed_of(push: Push, *, run_id: str, baseline: int, host: str) -> Pushed:
    """Returns what a push came to, for people.

    Args:
        push: What was done.
        run_id: The run.
        baseline: Index of the arm that the others are compared with.
        host: Where the pages are, without a slash at its end.
    """
    heading, tally = push.heading, push.tally
    return Pushed(
        run_id=run_id,
        name=heading.name,
        dataset=heading.dataset,
        experiments={
            each.label: PushedExperiment(
                id=each.experiment_id, name=each.name, url=host + heading.experiment_path(each.arm)
            )
            for each in heading.experiments.values()
        },
        generations=tally.sent + tally.there,
        generations_new=tally.sent,
        scores=tally.scores_sent + tally.scores_there,
        scores_new=tally.scores_sent,
        failed=tally.failed + tally.scores_failed,
        unsent=push.unsent,
        problems=tuple(tally.problems),
        compare_url=host + heading.compare_path(baseline),
    )
