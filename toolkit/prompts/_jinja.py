"""Renders Jinja templates from prompt files as data: a small part of the language, sandboxed, with limits.

Only prompts that say `template_format: jinja2` come here. Allowed are output, `if`, `for` and `set`, the operators, the
filters and methods listed below, and `range`. There is no way to define, include or import, none to build long texts
other than by joining, and none to reach a Python internal. A render may make 200,000 loop turns and list items and
1,000,000 characters, and run for 2 seconds; what asks for more is refused while it runs.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from toolkit._optional import require
from toolkit.errors import MissingVariablesError, PromptError, TemplateSyntaxError
from toolkit.prompts._values import Origin, is_nan, text_of, thawed

MAX_TEMPLATE_CHARS = 100_000
MAX_OUTPUT_CHARS = 1_000_000
MAX_DEPTH = 40
MAX_LOOP_TURNS = 200_000
MAX_RENDER_S = 2.0

_ALLOWED_NODES = (
    "Template Output TemplateData If For Assign Name Const Tuple List Dict Pair Keyword CondExpr Filter Test Call "
    "Getattr Getitem Slice Concat Compare Operand Mul Div FloorDiv Add Sub Mod And Or Not Neg Pos"
)
_ALLOWED_FILTERS = (
    "abs capitalize count d default dictsort e escape first float groupby int items last length lower map max min "
    "reject rejectattr reverse select selectattr sort string sum title trim truncate unique upper wordcount"
)
_ALLOWED_METHODS = (
    "capitalize count cycle endswith get index isdigit items keys lower lstrip removeprefix removesuffix rstrip "
    "split splitlines startswith strip title upper values"
)
_NODES = frozenset(_ALLOWED_NODES.split())
_FILTERS = frozenset(_ALLOWED_FILTERS.split())
_METHODS = frozenset(_ALLOWED_METHODS.split())

# Key of the meter among the variables; no template can spell it.
_METER = "\0meter"

_UNDEFINED = re.compile(r"^'(.+)' is undefined$")


@dataclass(frozen=True, slots=True, kw_only=True)
class JinjaText:
    """A parsed Jinja text."""

    text: str
    names: tuple[str, ...]
    template: Any
    """Compiled; a name without a value is an error in it."""

    @classmethod
    def parse(cls, text: str, origin: Origin) -> JinjaText:
        """Reads a template.

        Raises:
            TemplateSyntaxError: If it is not Jinja, too long, or uses what is not allowed here.
            MissingDependencyError: If Jinja is not installed.
        """
        jinja2 = _load("jinja2")
        if len(text) > MAX_TEMPLATE_CHARS:
            raise _refused(origin, f"is longer than {MAX_TEMPLATE_CHARS:,} characters")
        try:
            environment = _environment(strict=True)
            tree = environment.parse(text)
            _check(tree, origin)
            return cls(text=text, names=_names(tree), template=environment.from_string(_metered_tree(tree)))
        except jinja2.TemplateSyntaxError as error:
            raise _refused(origin, f"cannot be read (line {error.lineno}): {error.message}") from error
        except (RecursionError, SyntaxError) as error:  # Jinja writes Python, which has a depth of its own
            raise _refused(origin, "is nested too deeply") from error

    def fill(self, variables: Mapping[str, Any], missing: list[str], origin: Origin | None) -> str:
        """Returns the text; names without a value are added to `missing` and stay as `{{ name }}`."""
        for name in self.names:
            if name in variables and is_nan(variables[name]):
                text_of(variables[name], name=name, origin=origin)  # refuses NaN
        jinja2 = _load("jinja2")
        try:
            return self._render(self.template, variables, origin)
        except jinja2.UndefinedError as error:
            named = _UNDEFINED.match(str(error))
            missing.append(named.group(1) if named else str(error))
        environment = _environment(strict=False)
        lenient = environment.from_string(_metered_tree(environment.parse(self.text)))
        try:
            return self._render(lenient, variables, origin)
        except jinja2.UndefinedError as error:
            raise MissingVariablesError(
                f"{origin if origin is not None else 'The text'} cannot be rendered without {missing[-1]!r}: {error}.",
                prompt_id=origin.prompt_id if origin is not None else None,
                source=origin.source if origin is not None else None,
                missing=missing,
                given=sorted(map(str, variables)),
            ) from error

    def _render(self, template: Any, variables: Mapping[str, Any], origin: Origin | None) -> str:
        jinja2 = _load("jinja2")
        pieces: list[str] = []
        meter = _Meter()
        try:
            for piece in template.generate({**variables, _METER: meter}):
                meter.charge(chars=len(piece))
                pieces.append(piece)
        except (jinja2.UndefinedError, PromptError):
            raise
        except Exception as error:  # a template is a program: whatever it raises, we say whose it is
            raise _refused(origin, f"cannot be rendered: {type(error).__name__}: {error}") from error
        return "".join(pieces)


class _LimitError(Exception):
    """A template asked for more than it may have."""


class _Meter:
    """Counts what one render uses."""

    def __init__(self) -> None:
        self._turns = 0
        self._chars = 0
        self._end = time.monotonic() + MAX_RENDER_S

    def charge(self, *, turns: int = 0, chars: int = 0) -> None:
        self._turns += turns
        self._chars += chars
        if self._turns > MAX_LOOP_TURNS:
            raise _LimitError(f"more than {MAX_LOOP_TURNS:,} loop turns and list items")
        if self._chars > MAX_OUTPUT_CHARS:
            raise _LimitError(f"more than {MAX_OUTPUT_CHARS:,} characters")
        if time.monotonic() > self._end:
            raise _LimitError(f"more than {MAX_RENDER_S:g} s")


@lru_cache(maxsize=2)
def _environment(*, strict: bool) -> Any:
    jinja2 = _load("jinja2")
    sandbox = _load("jinja2.sandbox")

    class Environment(sandbox.ImmutableSandboxedEnvironment):  # type: ignore[misc,name-defined]  # found at run time
        """Jinja's sandbox, with numbers that stay small and only the listed methods."""

        intercepted_binops = frozenset({"*", "%", "+"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if operator != "+" and not (_is_number(left) and _is_number(right)):
                raise _LimitError(f"{operator!r} is for numbers up to 1e15")
            if operator == "+" and isinstance(left, str | list | tuple) and isinstance(right, str | list | tuple):
                context.resolve(_METER).charge(chars=len(left) + len(right))
            return super().call_binop(context, operator, left, right)

        def call(self, context: Any, called: Any, *args: Any, **kwargs: Any) -> Any:
            result = super().call(context, called, *args, **kwargs)
            if isinstance(result, list):
                context.resolve(_METER).charge(turns=len(result))
            return result

        def wrap_str_format(self, value: Any) -> None:
            """Lets `format` fall to `is_safe_attribute`: a width in a format string can ask for gigabytes."""

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            if callable(value) and attr not in _METHODS:
                return False
            return bool(super().is_safe_attribute(obj, attr, value))

    undefined = jinja2.StrictUndefined if strict else jinja2.DebugUndefined
    environment = Environment(
        undefined=undefined, finalize=_finalize, keep_trailing_newline=True, autoescape=False, cache_size=0
    )
    environment.filters = {name: environment.filters[name] for name in _FILTERS} | {
        "join": jinja2.pass_context(_join),
        "replace": jinja2.pass_context(_replace),
        "round": lambda value, precision=0: round(value, max(-20, min(20, precision))),
        "tojson": jinja2.pass_context(_to_json),
        "metered": jinja2.pass_context(_metered),
        "joined": jinja2.pass_context(_join),
        "list": jinja2.pass_context(lambda context, values: list(_metered(context, values))),
    }
    environment.globals = {"range": jinja2.pass_context(_range)}
    return environment


def _check(tree: Any, origin: Origin) -> None:
    """Refuses a syntax tree that uses more of the language than is allowed."""
    nodes = _load("jinja2.nodes")
    level, depth = [tree], 0
    while level:
        # Python's own parser takes minutes for what Jinja makes of an expression that is nested deeply.
        if (depth := depth + 1) > MAX_DEPTH:
            raise _refused(origin, f"is nested more than {MAX_DEPTH} deep")
        level = [child for node in level for child in node.iter_child_nodes()]
    for node in [tree, *tree.find_all(nodes.Node)]:
        kind = type(node).__name__
        if kind not in _NODES or (kind == "For" and node.recursive):
            raise _refused(origin, f"uses {kind} (line {node.lineno}), which is not allowed in a prompt")
        if kind == "Name" and node.name == "self":
            raise _refused(origin, "reads 'self', which is Jinja's own; rename the variable")


def _metered_tree(tree: Any) -> Any:
    """Returns the syntax tree with every loop and every `~` counted."""
    nodes = _load("jinja2.nodes")
    for loop in tree.find_all(nodes.For):
        loop.iter = _filtered(nodes, loop.iter, "metered")
    return _with_metered_joins(nodes, tree)


def _with_metered_joins(nodes: Any, node: Any) -> Any:
    """Returns `node` with every `a ~ b` below it replaced by a join that counts characters."""
    for name, value in list(node.iter_fields()):
        if isinstance(value, nodes.Node):
            setattr(node, name, _with_metered_joins(nodes, value))
        elif isinstance(value, list):
            setattr(
                node,
                name,
                [_with_metered_joins(nodes, item) if isinstance(item, nodes.Node) else item for item in value],
            )
    if isinstance(node, nodes.Concat):
        return _filtered(nodes, nodes.List(node.nodes, lineno=node.lineno), "joined")
    return node


def _filtered(nodes: Any, node: Any, name: str) -> Any:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _names(tree: Any) -> tuple[str, ...]:
    """Returns the names that the template reads from outside, in order of first appearance."""
    nodes = _load("jinja2.nodes")
    meta = _load("jinja2.meta")
    outside = meta.find_undeclared_variables(tree) - {"range"}
    return tuple(dict.fromkeys(node.name for node in tree.find_all(nodes.Name) if node.name in outside))


def _finalize(value: Any) -> Any:
    return "" if value is None else thawed(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= 1e15


def _metered(context: Any, values: Any) -> Iterator[Any]:
    meter = context.resolve(_METER)
    for value in values:
        meter.charge(turns=1)
        yield value


def _range(context: Any, *ends: int) -> range:
    numbers = range(*ends)
    context.resolve(_METER).charge(turns=len(numbers))
    return numbers


def _join(context: Any, values: Any, separator: Any = "") -> str:
    separator = str(separator)
    texts = [str(value) for value in _metered(context, values)]
    context.resolve(_METER).charge(chars=sum(map(len, texts)) + len(separator) * len(texts))
    joined: str = separator.join(texts)
    return joined


def _replace(context: Any, text: Any, old: str, new: str) -> str:
    whole = str(text)
    context.resolve(_METER).charge(chars=len(whole) + whole.count(old) * len(new))
    return whole.replace(old, new)


def _to_json(context: Any, value: Any, indent: int | None = None) -> str:
    spaces = None if indent is None else max(0, min(8, indent))
    text = json.dumps(value, ensure_ascii=False, indent=spaces, default=_undefined_text)
    context.resolve(_METER).charge(chars=len(text))
    return text


def _load(module: str) -> Any:
    return require(module, extra="jinja", purpose="for prompts with template_format: jinja2")


def _undefined_text(value: Any) -> str:
    jinja2 = _load("jinja2")
    if not isinstance(value, jinja2.Undefined):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return str(value)


def _refused(origin: Origin | None, reason: str) -> TemplateSyntaxError:
    whose = str(origin) if origin is not None else "The text"
    return TemplateSyntaxError(
        f"{whose}: its Jinja template {reason}.",
        prompt_id=origin.prompt_id if origin is not None else None,
        source=origin.source if origin is not None else None,
    )
