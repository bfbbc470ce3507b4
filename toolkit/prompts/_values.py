"""What a variable's value is as text, and what a parsed text offers whichever language it was written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from toolkit.errors import MissingVariablesError


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which prompt a template belongs to, for messages."""

    prompt_id: str
    version: str
    source: str

    def __str__(self) -> str:
        return f"Prompt {self.prompt_id!r} version {self.version!r}"


class TextTemplate(Protocol):
    """A parsed text."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names that the text reads, in order of appearance; a name may stand twice."""
        ...

    def fill(self, variables: Mapping[str, Any], missing: list[str], origin: Origin | None) -> str:
        """Returns the text; names without a value are added to `missing` and stay as written."""
        ...


def text_of(value: Any, *, name: str, origin: Origin | None) -> str:
    """Returns the text that stands for a variable's value.

    Raises:
        MissingVariablesError: If it is NaN, `pandas.NA` or `NaT`, which would be sent as the text `nan`.
    """
    if value is None:
        return ""
    if is_nan(value):
        whose = f" of {str(origin)[0].lower()}{str(origin)[1:]}" if origin is not None else ""
        raise MissingVariablesError(
            f"Variable {name!r}{whose} is {value!r} (NaN) and would be rendered as the text 'nan'; fill the value in, "
            "leave the row out, or give None for an empty text.",
            prompt_id=origin.prompt_id if origin is not None else None,
            source=origin.source if origin is not None else None,
            missing=[name],
            given=[name],
        )
    return str(thawed(value))


def is_nan(value: Any) -> bool:
    """True for a float NaN, `Decimal("NaN")`, numpy's NaN and NaT, `pandas.NA` and `pandas.NaT`; imports neither."""
    if type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)  # NaN is the value that differs from itself
    except ArithmeticError:  # a signalling NaN refuses to be compared
        return True
    except (TypeError, ValueError):  # an array has no single truth
        return False


def thawed(value: Any) -> Any:
    """Returns lists for tuples and dicts for mappings: variables are frozen on their way, and read the same before."""
    if isinstance(value, list | tuple):
        return [thawed(item) for item in value]
    if isinstance(value, dict):
        return {key: thawed(item) for key, item in value.items()}
    return value
