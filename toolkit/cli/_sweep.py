"""toolkit sweep: runs an experiment file, prints the comparison, and fails a pipeline when a gate does not pass."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.cli._experiment import Experiment, read_experiment
from toolkit.cli._gate import GateVerdict, Rule, decide, pairs_of, parse_rule
from toolkit.cli._junit import junit_xml
from toolkit.errors import PromptNotFoundError, TemplateSyntaxError, UsageError

if TYPE_CHECKING:  # pandas comes with them, and `toolkit --help` needs none
    from collections.abc import Sequence

    from toolkit.engine import Engine
    from toolkit.results import Results
    from toolkit.scorers import Scorer

EXIT_FAILED = 1

_EXIT_CODES = """exit codes:
  0    every trial has an answer, and every gate passed
  1    a gate failed or could not be decided, a trial has no answer, or a provider, a prompt source or
       the store failed
  2    the command, the experiment or a setting is wrong; nothing was sent
  130  interrupted; what has finished is kept, and the same command goes on from there

a gate passes when the arm is shown to be not worse by more than the margin (95 % interval of the paired difference);
with too few cases that cannot be shown, and the gate fails unless --undecided pass
"""


def add_sweep(commands: Any) -> None:
    """Adds the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "sweep",
        help="run an experiment file, and fail when an arm is worse",
        description="Runs the sweep that a YAML file describes, with the keys of tk.sweep and `scorers`, prints the "
        "comparison, and fails when a gate does not pass.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("experiment", metavar="FILE", help="experiment.yaml")
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="RULE",
        help="'reply@9 worse than reply@8 by 0.02', with ' on SCORE' where it is not the first; may be repeated",
    )
    parser.add_argument(
        "--undecided",
        choices=("fail", "pass"),
        default="fail",
        help="a gate that too few cases leave open; default fail",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the trials and gates as JUnit XML")
    parser.add_argument(
        "--out",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="write the results; the kind by its ending",
    )
    parser.add_argument("--config", metavar="FILE", help="config.yaml with models and keys, as LiteLLM has it")
    parser.add_argument("--plan", action="store_true", help="print what would be sent and its cost, and send nothing")
    parser.set_defaults(run=run_sweep)


def run_sweep(options: argparse.Namespace) -> int:
    """Runs the experiment and returns the exit code.

    Raises:
        ToolkitError: If something is wrong before anything was sent, or the run cannot be recorded.
    """
    # Here and not above: pandas comes with them, and the other commands need none.
    from toolkit.results import check_target
    from toolkit.sweep import plan, sweep

    rules = [parse_rule(text) for text in options.fail_if]
    for path in options.out:
        check_target(path)
    if options.junit is not None and not options.junit.parent.is_dir():
        raise UsageError(f"The folder {str(options.junit.parent)!r} does not exist; make it first.")
    experiment = read_experiment(options.experiment)
    _check_scores(rules, experiment.scorers)
    engine = _engine(options.config)
    try:
        planned = plan(**experiment.for_plan, engine=engine)
    except (PromptNotFoundError, TemplateSyntaxError) as error:
        raise UsageError(str(error)) from error
    for rule in rules:
        pairs_of(rule, planned.arms)
    print(f"{planned}\n")
    if options.plan:
        return 0
    results = sweep(**experiment.arguments, engine=engine)
    if results.note:
        # It was interrupted: a command ends then, where a notebook goes on with what there is.
        raise KeyboardInterrupt
    try:
        return _finish(results, experiment, rules, options)
    except UsageError as error:
        # Code 2 says that nothing was sent, and by now it was.
        print(f"toolkit: {error}", file=sys.stderr)
        return EXIT_FAILED


def judge_gates(results: Results, rules: Sequence[Rule], *, undecided_passes: bool = False) -> list[GateVerdict]:
    """Returns what each rule says of each pair of arms that it is about."""
    from toolkit.results import arm_labels, compare_arms

    view = results.view
    cases = len({trial.case.index for trial in view.trials})
    labels = arm_labels(view.arms)
    verdicts = []
    for rule in rules:
        for place, base in pairs_of(rule, view.arms):
            compared = compare_arms(view, score=rule.score, baseline=view.arms[base].index)
            (one,) = [each for each in compared if each.arm == labels[place]]
            sent = cases - getattr(one, "unsent", 0)
            verdicts.append(decide(rule, one, cases=sent, undecided_passes=undecided_passes))
    return verdicts


def _finish(results: Results, experiment: Experiment, rules: Sequence[Rule], options: argparse.Namespace) -> int:
    if experiment.scorers:
        results.score(*experiment.scorers)
    print(f"{results}\n")
    verdicts = judge_gates(results, rules, undecided_passes=options.undecided == "pass")
    for verdict in verdicts:
        is_open = verdict.passed and verdict.standing == "undecided"
        print(f"gate {'passed' if verdict.passed else 'FAILED'}{' undecided' if is_open else ''}: {verdict.sentence}")
    failures = results.failures
    if len(failures):
        print(f"FAILED: {len(failures):,} of {len(results):,} trials without an answer; the same command asks again.")
    if options.junit is not None:
        from toolkit.results import write_whole

        write_whole(options.junit, junit_xml(results, verdicts))
        print(f"wrote {options.junit}")
    for path in options.out:
        print(f"wrote {results.export(path)}")
    return 0 if not len(failures) and all(verdict.passed for verdict in verdicts) else EXIT_FAILED


def _check_scores(rules: Sequence[Rule], scorers: Sequence[Scorer]) -> None:
    names = [scorer.name for scorer in scorers]
    for rule in rules:
        if not names:
            raise UsageError(f"--fail-if {rule.text!r} needs a score; add `scorers: [exact]` to the experiment.")
        if rule.score is not None and rule.score.removeprefix("score.") not in names:
            raise UsageError(
                f"--fail-if {rule.text!r}: there is no score {rule.score!r}; there are: {', '.join(names)}."
            )


def _engine(config: str | None) -> Engine:
    from toolkit.config import Settings, read_config
    from toolkit.engine import Engine, default_engine

    if config is None:
        return default_engine()
    return Engine(Settings.from_environment(), config=read_config(config))
