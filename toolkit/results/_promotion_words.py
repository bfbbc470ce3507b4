"""A promotion as text and as HTML: what it would do, what changes, the verdict, and the gate's conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from toolkit.results._diff import Piece, pieces_html, pieces_text
from toolkit.results._html import Safe, element
from toolkit.results._promotion_proposal import Proposal, State
from toolkit.results._screen import for_screen

# Longer stretches of a prompt that stay as they are are cut in their middle.
_MOST_KEPT = 200


def promotion_text(proposal: Proposal, state: State, evidence: str | None) -> str:
    """Returns a promotion as a person reads it before a label is moved."""
    change = pieces_text(_cut(proposal.change))
    lines = [
        for_screen(headline(proposal, state), keep_lines=False),
        "",
        *(for_screen(line, keep_lines=False) for line in _words(proposal)),
        *(["", for_screen(proposal.note, keep_lines=False)] if proposal.note else []),
        "",
        for_screen(repr(proposal.gate)),
        "",
        "What changes:",
        for_screen(change) if proposal.change else "nothing: both versions say the same",
        "",
        for_screen(_next(proposal, state, evidence), keep_lines=False),
    ]
    return "\n".join(lines)


def promotion_html(proposal: Proposal, state: State, evidence: str | None) -> Safe:
    """Returns the same as HTML; everything in it is escaped."""
    rows = [
        element(
            "tr",
            element("th", each.what, scope="row"),
            element("td", "holds" if each.passed else "FAILS"),
            element("td", each.sentence),
        )
        for each in proposal.gate.conditions
    ]
    change = pieces_html(_cut(proposal.change)) if proposal.change else "nothing: both versions say the same"
    return element(
        "div",
        element("p", element("strong", headline(proposal, state))),
        [element("p", line) for line in _words(proposal)],
        element("p", proposal.note) if proposal.note else None,
        element("table", element("tbody", rows)),
        element(
            "details",
            element("summary", "What changes"),
            element("div", change, style="white-space:pre-wrap;overflow-wrap:anywhere", dir="auto"),
        ),
        element("p", _next(proposal, state, evidence)),
        class_="toolkit-results tex2jax_ignore mathjax_ignore",
    )


def headline(proposal: Proposal, state: State) -> str:
    """Returns what the promotion does, or did, in one line."""
    named = f"the label {proposal.label!r} of {proposal.source}:{proposal.prompt_id}"
    before = "from no version" if proposal.held_by is None else f"from version {proposal.held_by}"
    if state == "waiting":
        return f"Ready to move {named} {before} to version {proposal.version}; nothing was moved yet."
    if state == "moved":
        return f"Moved {named} {before} to version {proposal.version}."
    if proposal.held_by is None:
        return f"Took {named} away again; no version has it."
    return f"Put {named} back on version {proposal.held_by}."


def _words(proposal: Proposal) -> Sequence[str]:
    return [f"Run {proposal.run_id}, against version {proposal.against}:", *proposal.verdict]


def _next(proposal: Proposal, state: State, evidence: str | None) -> str:
    kept = f"Evidence: {evidence}." if evidence is not None else "The evidence is not written: .write_evidence()."
    if state == "waiting":
        return "Next: .confirm() moves the label."
    if state == "moved":
        return f"{kept} Next: .rollback() puts the label back."
    return kept


def _cut(pieces: Sequence[Piece]) -> list[Piece]:
    half = _MOST_KEPT // 2
    return [
        replace(piece, text=f"{piece.text[:half]} […] {piece.text[-half:]}")
        if piece.kind == "kept" and len(piece.text) > _MOST_KEPT
        else piece
        for piece in pieces
    ]
