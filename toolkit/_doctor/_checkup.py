"""What a check-up found, line by line: as text, and as HTML that runs nothing; every credential is masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from toolkit._redact import redact
from toolkit.results import Safe, element, for_screen

State = Literal["ok", "note", "fail"]
"""`note` = worth knowing and no reason to worry; `fail` = something that is configured does not work."""

_WORDS = {"ok": "ok", "note": "note", "fail": "FAIL"}
_LEFT = "text-align:left;vertical-align:top"
_STYLES = {"ok": _LEFT, "note": f"{_LEFT};opacity:.75", "fail": f"{_LEFT};font-weight:bold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a check-up. Its texts are masked and made safe to show when it is made."""

    topic: str
    """What it belongs to: `sources`, `providers`, `store`, ..."""
    name: str
    state: State = "ok"
    text: str
    remedy: str = ""
    """What to do; empty when there is nothing to do."""

    def __post_init__(self) -> None:
        for field in ("name", "text", "remedy"):
            object.__setattr__(self, field, for_screen(redact(getattr(self, field)), keep_lines=False))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Checkup:
    """What `doctor` found. Its text form is for a terminal; a notebook shows a table."""

    findings: tuple[Finding, ...]

    @property
    def is_ok(self) -> bool:
        """True when nothing that is configured fails."""
        return not self.failing

    @property
    def failing(self) -> tuple[Finding, ...]:
        """The lines that need somebody to do something."""
        return tuple(finding for finding in self.findings if finding.state == "fail")

    @property
    def headline(self) -> str:
        """How many lines need attention, in one sentence."""
        if self.is_ok:
            return f"All well: {len(self.findings)} things looked at."
        return f"{len(self.failing)} of {len(self.findings)} things looked at need attention."

    def __repr__(self) -> str:
        width = max((len(finding.name) for finding in self.findings), default=0)
        lines = [self.headline]
        for topic, findings in _by_topic(self.findings):
            lines += ["", topic]
            for finding in findings:
                lines.append(f"  {_WORDS[finding.state]:<4}  {finding.name:<{width}}  {finding.text}")
                if finding.remedy:
                    lines.append(f"        {'':<{width}}-> {finding.remedy}")
        return "\n".join(lines)

    def _repr_html_(self) -> Safe:
        titles = element(
            "tr", *(element("th", title, scope="col", style=_LEFT) for title in ("about", "state", "what", "found"))
        )
        rows = [
            element(
                "tr",
                element("td", topic if not place else "", style=_LEFT),
                element("td", _WORDS[finding.state], style=_STYLES[finding.state]),
                element("td", finding.name, style=_STYLES[finding.state]),
                element(
                    "td",
                    element("div", finding.text),
                    element("div", f"→ {finding.remedy}") if finding.remedy else None,
                    style=f"{_LEFT};white-space:pre-wrap;overflow-wrap:anywhere",
                ),
            )
            for topic, findings in _by_topic(self.findings)
            for place, finding in enumerate(findings)
        ]
        head = element("p", element("strong", self.headline), role="status")
        table = element("table", element("thead", titles), element("tbody", rows))
        return element("div", head, table, class_="toolkit-doctor tex2jax_ignore mathjax_ignore")


def _by_topic(findings: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.topic, []).append(finding)
    return list(groups.items())
