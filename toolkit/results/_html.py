"""The only place that builds HTML: everything is escaped unless this file built it."""

from __future__ import annotations

import html
from collections.abc import Iterable

from toolkit.results._screen import for_screen

_TAGS = frozenset(
    {"div", "p", "pre", "code", "span", "strong", "em", "small", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    | {"ins", "del", "mark", "details", "summary"}
)
_ATTRIBUTES = frozenset({"class", "style", "scope", "title", "dir", "colspan", "role", "aria-live", "aria-label"})


class Safe(str):
    """HTML that `element` or `joined` built; every other text is escaped when it goes in."""

    __slots__ = ()


def element(tag: str, *children: str | Iterable[str] | None, **attributes: str) -> Safe:
    """Returns one element, its children escaped. The attribute `class_` is written `class`, `aria_live` `aria-live`.

    Neither tags nor attributes ever come from foreign text: both are held to a short list, in which there is nothing
    that runs, loads or links.

    Raises:
        ValueError: If the tag or an attribute is not in the list.

    Example:
        >>> element("td", "<b>", class_="x")
        '<td class="x">&lt;b&gt;</td>'
    """
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    if tag not in _TAGS or not names.keys() <= _ATTRIBUTES:
        raise ValueError(f"<{tag}> with {sorted(names)} is not among the elements that are shown.")
    shown = "".join(f' {name}="{escaped(value)}"' for name, value in names.items())
    return Safe(f"<{tag}{shown}>{joined(*children)}</{tag}>")


def joined(*children: str | Iterable[str] | None) -> Safe:
    """Returns the children one after the other, escaped unless they are `Safe`; `None` is nothing."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            parts.append(child if isinstance(child, Safe) else escaped(child))
        else:
            parts.append(joined(*child))
    return Safe("".join(parts))


def escaped(text: str) -> Safe:
    r"""Returns text as HTML that shows it as written; control and bidirectional characters are visible escapes.

    Example:
        >>> escaped('<a href="x">\x00')
        '&lt;a href=&quot;x&quot;&gt;\\x00'
    """
    return Safe(html.escape(for_screen(text), quote=True))
