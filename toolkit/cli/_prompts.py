"""toolkit prompts: lists, shows and compares prompts, and brings their versions from one source to another."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from toolkit import _sync
from toolkit.errors import ToolkitError, UsageError

if TYPE_CHECKING:
    from toolkit.prompts import Exchange, ManagedPrompt, PromptReference, Sources, Step

EXIT_DIFFERENT = EXIT_PROBLEMS = 1
EXIT_TROUBLE = 2

_EXIT_CODES = """exit codes:
  list, show  0 = done, 2 = trouble
  diff        0 = equal, 1 = different, 2 = trouble
  pull, push  0 = everything is there now, 1 = some of it is not (conflict, refused), 2 = trouble
"""


def add_prompts(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = _parser(
        commands,
        "prompts",
        help="list, show, compare, pull and push prompts",
        description="Lists what the prompt sources hold, shows and compares versions, and brings them from Langfuse "
        "into a folder (pull) and from a folder to Langfuse (push).",
    )
    parser.set_defaults(run=_guarded(run_list), query="", source=None, json=False)
    actions = parser.add_subparsers(title="actions", dest="action")
    _add_list(actions)
    _add_show(actions)
    _add_diff(actions)
    _add_pull(actions)
    _add_push(actions)


def run_list(options: argparse.Namespace) -> int:
    """Prints one line a prompt: reference, kind, versions, labels.

    Raises:
        PromptSourceError: If a source cannot be reached, refuses us or answers nonsense.
    """
    infos = _sync.run(_sources().list(options.query, options.source))
    if options.json:
        keys = ("source", "prompt_id", "kind", "versions", "labels", "tags")
        _print_json([{key: getattr(info, key) for key in keys} for info in infos])
        return 0
    for info in infos:
        count = len(info.versions)
        versions = f"{count} version{'' if count == 1 else 's'}, newest {info.versions[-1]}" if count else "no version"
        _say(f"{info.source}:{info.prompt_id}  {info.kind}  {versions}  {', '.join(info.labels)}".rstrip(), lines=False)
    if not infos:
        print("No prompt fits; `toolkit doctor` says which sources are set up.", file=sys.stderr)
    return 0


def run_show(options: argparse.Namespace) -> int:
    """Prints one version with its config and text.

    Raises:
        PromptNotFoundError: If there is no such prompt, version or label.
    """
    found = _sync.run(_sources().manage(options.reference))
    if options.json:
        _print_json({**asdict(found.prompt), "fingerprint": found.fingerprint, "variables": found.variables})
    else:
        _say(repr(found))
    return 0


def run_diff(options: argparse.Namespace) -> int:
    """Prints what the second version changes; the exit code says whether it changes anything.

    Raises:
        UsageError: If it is not clear what is compared.
        PromptNotFoundError: If there is no such prompt, version or label.
    """
    from toolkit.prompts import as_written

    sources = _sources()
    first = _first(options, sources)
    old = _sync.run(as_written(sources, first))
    new = _sync.run(as_written(sources, _second(options, first, old, sources)))
    difference = old.diff(new)
    if options.json:
        ends = {"from": old.reference, "to": new.reference}
        _print_json({**ends, "is_equal": not difference, "diff": difference})
    else:
        _say(difference or f"{old.reference} and {new.reference} are equal.")
    return EXIT_DIFFERENT if difference else 0


def run_pull(options: argparse.Namespace) -> int:
    """Writes what the folder lacks, and prints what was written and what could not be.

    Raises:
        UsageError: If a source cannot be read so, or the target is no folder.
        PromptNotFoundError: If a name is not in the source.
    """
    from toolkit.prompts import FolderSource, Pulling, pull_prompts, synced

    sources = _sources()
    folder = sources.get(options.to)
    if not isinstance(folder, FolderSource):
        raise UsageError(f"Prompts are pulled into a folder, not into {options.to!r}; to bring them there, push them.")
    wanted = Pulling(names=tuple(options.names), which=options.versions, labels=options.labels, is_dry=options.dry_run)
    source = synced(sources, options.source)
    return _told(options, _sync.run(pull_prompts(source, folder, wanted, tell=_teller(options))))


def run_push(options: argparse.Namespace) -> int:
    """Makes a new version where the newest one differs, and prints what was made and what could not be.

    Raises:
        UsageError: If a source cannot take or give versions, or `production` is among the labels.
        PromptNotFoundError: If a name is not in the source.
    """
    from toolkit.prompts import Pushing, push_prompts, synced

    sources = _sources()
    wanted = Pushing(
        names=tuple(options.names),
        labels=tuple(options.label),
        message=options.message,
        is_forced=options.force,
        is_dry=options.dry_run,
    )
    source, target = synced(sources, options.source), synced(sources, options.to)
    return _told(options, _sync.run(push_prompts(source, target, wanted, tell=_teller(options))))


def _guarded(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Returns the action with one exit code for all trouble: 1 has a meaning of its own here."""

    def guarded(options: argparse.Namespace) -> int:
        try:
            return run(options)
        except ToolkitError as error:
            print(f"toolkit: {error}", file=sys.stderr)
            return EXIT_TROUBLE

    return guarded


def _parser(commands: Any, name: str, **texts: Any) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, epilog=_EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter, **texts
    )
    return made


def _add_list(actions: Any) -> None:
    parser = _parser(actions, "list", help="one line a prompt")
    parser.add_argument("query", nargs="?", default="", help="only names that contain it")
    parser.add_argument("--source", help="only this source; default: every one that is set up")
    _add_json(parser)
    parser.set_defaults(run=_guarded(run_list))


def _add_show(actions: Any) -> None:
    parser = _parser(actions, "show", help="one version with its config and text")
    parser.add_argument("reference", metavar="PROMPT", help="[source:]name[@version or label]")
    _add_json(parser)
    parser.set_defaults(run=_guarded(run_show))


def _add_diff(actions: Any) -> None:
    parser = _parser(
        actions,
        "diff",
        help="what one version changes against another",
        description="Compares config and text. Without OTHER: a version that is named with the newest one of its "
        "source, a name alone with what the folder would push to Langfuse.",
    )
    parser.add_argument("one", metavar="PROMPT", help="[source:]name[@version or label]; without version the newest")
    parser.add_argument("other", metavar="OTHER", nargs="?", help="the same, or a source that has the same name")
    _add_json(parser)
    parser.set_defaults(run=_guarded(run_diff))


def _add_pull(actions: Any) -> None:
    parser = _parser(actions, "pull", help="write into the folder what it lacks")
    _add_exchange(parser, source="langfuse", to="folder")
    parser.add_argument(
        "--versions",
        choices=("all", "labels", "latest"),
        default="all",
        help="every version, those that a label stands on, or the newest; default all",
    )
    parser.add_argument("--labels", action="store_true", help="set the labels in the folder as they are in the source")
    parser.set_defaults(run=_guarded(run_pull))


def _add_push(actions: Any) -> None:
    parser = _parser(actions, "push", help="make a new version where the newest one differs")
    _add_exchange(parser, source="folder", to="langfuse")
    parser.add_argument("--label", action="append", default=[], help="put it on the version; never production")
    parser.add_argument("-m", "--message", help="a line about the change; default: what the file says")
    parser.add_argument(
        "--force", action="store_true", help="also where the newest version there has never been in the folder"
    )
    parser.set_defaults(run=_guarded(run_push))


def _add_exchange(parser: argparse.ArgumentParser, *, source: str, to: str) -> None:
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="name or pattern such as 'support/*'; none = every one"
    )
    parser.add_argument("--from", dest="source", metavar="SOURCE", default=source, help=f"default {source}")
    parser.add_argument("--to", metavar="SOURCE", default=to, help=f"default {to}")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and write nothing")
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _sources() -> Sources:
    from toolkit.engine import default_engine

    return default_engine().sources


def _print_json(value: Any) -> None:
    # In ASCII, so that nothing in a prompt moves a terminal's cursor or fails to be encoded.
    print(json.dumps(value, indent=2))


def _say(text: str, *, lines: bool = True) -> None:
    """Prints what sources say, with control characters as visible escapes; without `lines`, line ends too."""
    from toolkit.results import for_screen

    print(for_screen(text, keep_lines=lines), flush=True)


def _teller(options: argparse.Namespace) -> Callable[[Step], None]:
    """Returns what prints a step as soon as it is done: what is there already is only counted."""

    def tell(step: Step) -> None:
        if not options.json and step.action != "same":
            _say(str(step), lines=False)

    return tell


def _told(options: argparse.Namespace, exchange: Exchange) -> int:
    """Prints the sum, or everything as JSON, and returns the exit code."""
    actions = [step.action for step in exchange.steps]
    if options.json:
        ends = {"from": exchange.came_from, "to": exchange.went_to}
        _print_json({**ends, "dry_run": exchange.is_dry, "steps": [asdict(step) for step in exchange.steps]})
    else:
        would = "would be written" if exchange.is_dry else "written"
        labels = actions.count("label")
        moved = f", {labels} label{'' if labels == 1 else 's'} moved" if labels else ""
        problems = f", {len(exchange.problems)} NOT DONE" if exchange.problems else ""
        there = actions.count("same") + actions.count("behind")
        print(f"{exchange.went_to}: {actions.count('write')} {would}{moved}, {there} there already{problems}")
    if "failed" in actions:
        return EXIT_TROUBLE
    return EXIT_PROBLEMS if exchange.problems else 0


def _first(options: argparse.Namespace, sources: Sources) -> PromptReference:
    from toolkit.prompts import PromptReference, parse_reference

    first = parse_reference(options.one, known_sources=sources.names)
    if options.other is None and first.source is None and first.selector.kind == "default":
        return PromptReference(name=first.name, source="langfuse")
    return first


def _second(
    options: argparse.Namespace, first: PromptReference, old: ManagedPrompt, sources: Sources
) -> PromptReference:
    """Returns what the first version is compared with.

    Raises:
        UsageError: If that is not said, or cannot be read.
    """
    from toolkit.prompts import PromptReference, parse_reference

    if options.other in sources.names:
        return PromptReference(name=first.name, source=options.other, selector=first.selector)
    if options.other is not None:
        return parse_reference(options.other, known_sources=sources.names)
    if first.selector.kind != "default":
        return PromptReference(name=first.name, source=old.source)
    pair = {"langfuse": "folder", "folder": "langfuse"}
    if old.source not in pair:
        raise UsageError(f"{options.one!r} is compared with nothing; name the other version or source.")
    return PromptReference(name=first.name, source=pair[old.source])
