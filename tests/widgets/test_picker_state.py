"""What a prompt picker decides: which names fit, which versions there are, what is chosen, and the code for it."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from toolkit._records import PromptInfo
from toolkit.prompts import PromptReference, PromptVersion, Selector
from toolkit.widgets._picker_state import (
    Chosen,
    beside,
    code_of,
    find,
    first_choice,
    history_of,
    matching,
    pinned,
    shown_names,
    summary,
    values_of,
    version_titles,
)

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


def info(name: str, source: str = "folder", **fields: object) -> PromptInfo:
    """What a source's list says of a prompt."""
    return PromptInfo(prompt_id=name, source=source, kind="text", **fields)


VERSIONS = (
    PromptVersion(version="7", labels=("latest",), created_at=NOW - dt.timedelta(hours=2), message="ask for the order"),
    PromptVersion(version="6", labels=("production",)),
    PromptVersion(version="5"),
)


@pytest.mark.parametrize(
    ("typed", "fitting"),
    [
        ("", ["greet", "reply", "support/refund", "unreply"]),
        ("reply", ["reply", "unreply"]),
        ("REF", ["support/refund"]),
        ("sprf", ["support/refund"]),
        ("eply", ["reply", "unreply"]),
        ("zzz", []),
    ],
)
def test_names_fit_by_beginning_word_part_or_letters(typed: str, fitting: list[str]) -> None:
    """Names fit by how they begin, by a word's beginning, by any part, and by letters in order; case never counts."""
    assert matching(["unreply", "support/refund", "reply", "greet"], typed) == fitting


def test_five_thousand_names_are_searched_while_somebody_types() -> None:
    """Of 5,000 names the 50 best are found in less than the time between two letters."""
    names = [f"team-{number % 50}/flow-{number % 7}/prompt-{number:04}" for number in range(5_000)]
    began = time.process_time()
    found = matching(names, "prompt-4321")
    assert time.process_time() - began < 0.15
    assert found[0].endswith("prompt-4321")
    assert len(matching(names, "p")) == 50


def test_a_name_in_two_sources_is_shown_with_its_source() -> None:
    """Names are shown bare, and with their source where two sources have them; both ways of naming one find it."""
    names = shown_names([info("reply"), info("reply", "langfuse"), info("greet")])
    assert list(names) == ["folder:reply", "langfuse:reply", "greet"]
    assert find(names, "langfuse:reply") is names["langfuse:reply"]
    assert find(names, "folder:greet") is names["greet"]
    assert find(names, "gre") is None


def test_versions_are_listed_with_labels_dates_and_messages() -> None:
    """Labels come first, each with the version it stands on; then versions, newest first, with all that is known."""
    assert version_titles(VERSIONS, NOW) == [
        ("@latest = 7", "@latest"),
        ("@production = 6", "@production"),
        ("7 · latest · 2026-11-22 (2 h ago) · ask for the order", "7"),
        ("6 · production", "6"),
        ("5", "5"),
    ]


def test_titles_show_no_control_characters() -> None:
    """What an author wrote is shown with control characters as escapes, on one line, cut where it is long."""
    odd = PromptVersion(version="1", message="a\n\x1b[31m" + "x" * 100)
    ((title, _),) = version_titles([odd], NOW)
    assert title == "1 · a\\n\\x1b[31m" + "x" * 52 + "…"


def test_labels_and_versions_are_pinned_once() -> None:
    """A label and the version that it stands on are one choice; choices come in the list's order."""
    assert pinned(["5", "@production", "6"], VERSIONS) == ["6", "5"]


def test_production_is_chosen_first() -> None:
    """The choice begins with production, without it with the newest, and with nothing where there is nothing."""
    assert first_choice(VERSIONS) == "@production"
    assert first_choice(VERSIONS[2:]) == "5"
    assert first_choice(()) is None


def test_a_version_is_compared_with_the_one_before() -> None:
    """Beside a version stands the one before it, beside the first the newest, beside the only one nothing."""
    assert [beside(version, VERSIONS) for version in ("7", "6", "5")] == ["6", "5", "7"]
    assert beside("5", VERSIONS[2:]) is None


def test_until_the_history_is_there_the_numbers_are() -> None:
    """Before a source has told the history, versions are listed by their numbers, newest first."""
    assert [each.version for each in history_of(info("a", versions=("1", "2")))] == ["2", "1"]


@pytest.mark.parametrize(
    ("chosen", "reference", "code"),
    [
        (Chosen(source="folder", prompt_id="a/b", version="3"), "folder:a/b@3", "tk.prompt('folder:a/b@3')"),
        (
            Chosen(source="langfuse", prompt_id="a@b: c", version="3"),
            PromptReference(name="a@b: c", source="langfuse", selector=Selector(kind="version", value="3")),
            "tk.prompt(name='a@b: c', source='langfuse', version='3')",
        ),
    ],
)
def test_a_choice_has_a_reference_and_code(chosen: Chosen, reference: object, code: str) -> None:
    """A choice is a pinned reference as text; a name that text cannot spell is a record, and named in parts in code."""
    assert (chosen.reference, chosen.code) == (reference, code)


def test_several_choices_are_a_list_in_code() -> None:
    """The code of one choice is one call, that of several a list of calls."""
    chosen = [Chosen(source="folder", prompt_id="a", version=version) for version in ("1", "2")]
    assert code_of(chosen) == "[tk.prompt('folder:a@1'), tk.prompt('folder:a@2')]"


def test_the_line_on_a_prompt_says_what_there_is() -> None:
    """One line tells source, kind, versions, labels, tags, variables and age; what is not there is left out."""
    full = info("a", versions=("1", "2"), labels=("production",), tags=("demo",), updated_at=NOW - dt.timedelta(days=3))
    assert summary(full, ["name"], NOW) == (
        "source: folder · text · 2 versions · labels: production · tags: demo · variables: name · changed 3 d ago"
    )
    assert summary(info("a", versions=("1",)), [], NOW) == "source: folder · text · 1 version · no variables"


def test_typed_values_go_before_the_case_s() -> None:
    """A variable has what was typed, else the case's value; an emptied field is an empty text, not a missing one."""
    values, missing = values_of(["a", "b", "c", "d"], {"a": 1, "b": 2, "x": 9}, {"b": "typed", "c": ""})
    assert (values, missing) == ({"a": 1, "b": "typed", "c": ""}, ["d"])
