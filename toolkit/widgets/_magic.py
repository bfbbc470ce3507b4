"""`%load_ext toolkit`: `%%prompt` to work on a prompt in a cell, and names of prompts behind `tk.prompt("`."""

from __future__ import annotations

import re
from typing import Any

from IPython.core import completer, magic_arguments
from IPython.core.error import UsageError as CellUsageError
from IPython.display import display

from toolkit._redact import redact
from toolkit.engine import default_engine
from toolkit.errors import ToolkitError
from toolkit.results import for_screen
from toolkit.sweep import check_draft, prompts
from toolkit.widgets._draft import Trying, make_draft, try_draft, write_draft

# Parts of IPython that have no types.
_display: Any = display
_parser_class: Any = magic_arguments.MagicArgumentParser

# A string that is being typed where a prompt is named: `prompt("sup`, `prompts=["sup`, `PromptPicker('sup`.
_NAMING = re.compile(
    r"(?:\b(?:prompt|PromptPicker|(?:start_|a)?sweep|plan)\(\s*\[?|\bprompts?\s*=\s*\[?|\bprompts\s*=\s*\[[^\]]*,)\s*[\"'](?P<typed>[^\"']*)$"
)
_MOST_OFFERED = 200


class PromptMagic:
    """Shows what a prompt in a cell changes, word by word, and what models answer to it for the first cases.

    Args:
        shell: The notebook's shell: where variables are read and the draft is put.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._parser = _make_parser()
        # What `%%prompt?` shows.
        self.__doc__ = self._parser.format_help()

    def __call__(self, line: str, cell: str) -> None:
        """Runs one cell; what is wrong with it is told in one line instead of a traceback."""
        options = _unquoted(self._parser.parse_argstring(line))
        try:
            self._show(options, cell)
        except ToolkitError as error:
            raise CellUsageError(for_screen(redact(str(error)), keep_lines=False)) from None

    def _show(self, options: Any, cell: str) -> None:
        for option, given in (("--label", options.label), ("--message", options.message), ("--run", options.run)):
            if given and not options.push:
                raise CellUsageError(f"{option} is for a new version, and nothing is written without --push.")
        if options.output is not None and not options.output.isidentifier():
            raise CellUsageError(f"{options.output!r} cannot be the name of a variable.")
        trying = Trying(
            models=tuple(options.model),
            cases=self._cases(options.cases),
            first=options.first,
            budget_usd=options.budget,
        )
        draft = make_draft(options.prompt, cell, is_pushed=options.push)
        if options.push:
            # Before anything is sent: a draft that nobody takes is not paid for.
            asked = {"labels": options.label, "run": options.run}
            check_draft(draft.prompt, draft.reference, draft.stored, **asked, engine=default_engine())
        _display(draft)
        if options.output is not None:
            self._shell.user_ns[options.output] = draft.prompt
        answers = try_draft(draft, trying, _display)
        if options.push:
            # A run of failures alone speaks for nothing.
            is_answered = answers is not None and len(answers.failures) < len(answers)
            run = options.run or (answers.run_id if answers is not None and is_answered else None)
            _display(write_draft(draft, labels=options.label, message=options.message, run=run))

    def _cases(self, named: str | None) -> Any:
        namespace = self._shell.user_ns
        return namespace[named] if named is not None and named in namespace else named


def _unquoted(options: Any) -> Any:
    """Takes the quotes off that IPython leaves around an argument with spaces."""
    for name, value in vars(options).items():
        setattr(options, name, [_bare(each) for each in value] if isinstance(value, list) else _bare(value))
    return options


def _bare(value: Any) -> Any:
    is_quoted = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value


def _make_parser() -> Any:
    parser = _parser_class(
        prog="%%prompt",
        description="Shows what the prompt in a cell changes, word by word, and what models answer to it for the first "
        "cases. The cell is what a .prompt file holds: text, or a chat whose messages begin with System:, User:, "
        "Assistant:; front matter between lines of --- is its config, without which that of the stored version stays.",
    )
    add = parser.add_argument
    add("prompt", help="the prompt, as in tk.prompt(...): [source:]name[@version or label]")
    add("-m", "--model", action="append", default=[], help="model that answers; several: -m one -m other")
    add("-c", "--cases", help="a variable of the notebook, or a file, with the cases to try it on")
    add("-n", "--first", type=int, default=3, help="cases to try it on; 0 = none; default: 3")
    add("-b", "--budget", type=float, help="most USD that the answers may cost")
    add("-o", "--output", help="variable that gets the draft, to be given to tk.sweep")
    add("--push", action="store_true", help="write it to the source as a new version; else nothing is written")
    add("--label", action="append", default=[], help="with --push: a label for the new version; never production")
    add("--message", help="with --push: a line about the change")
    add("--run", help="with --push: id of the run that speaks for it; default: the one of the answers in this cell")
    return parser


def _prompt_names(context: Any) -> dict[str, Any]:
    """Returns completions for the name of a prompt where one is being typed: names, then `@` versions and labels."""
    found = _NAMING.search(context.line_with_cursor[: context.cursor_position])
    if found is None:
        return {"completions": []}
    return {
        "completions": [completer.SimpleCompletion(text, type="prompt") for text in names_for(found["typed"])],
        "matched_fragment": found["typed"],
        "suppress": True,
    }


prompt_names: Any = completer.context_matcher()(_prompt_names)
"""The matcher that IPython's completer is given."""


def names_for(typed: str) -> list[str]:
    """Returns references that go on from what was typed: names, and behind an `@` versions, labels, `*`."""
    name, at, chosen = typed.partition("@")
    if not at:
        return [known for known, _ in prompts.complete() if known.startswith(name)][:_MOST_OFFERED]
    for known, versions in prompts.complete(name):
        if known == name:
            return [f"{name}@{each}" for each in (*versions, "*") if each.startswith(chosen)]
    return []


def load_ipython_extension(shell: Any) -> None:
    """Adds `%%prompt` and the completion of prompt names to a notebook; what `%load_ext toolkit` calls."""
    shell.register_magic_function(PromptMagic(shell), "cell", "prompt")
    if shell.Completer is not None and prompt_names not in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.append(prompt_names)


def unload_ipython_extension(shell: Any) -> None:
    """Takes the completion away again; what `%unload_ext toolkit` calls."""
    if prompt_names in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(prompt_names)
