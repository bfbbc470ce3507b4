"""Which cases the grid shows and in which order, and what is on the page that is seen."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from tests.results import payloads, runs
from toolkit._records import Score
from toolkit.results import CaseGrid
from toolkit.widgets._grid_state import PAGE, GridQuery, GridState, read_query, web_address


def a_state(**asked):
    """Returns a grid of six cases: alike, reworded, worse, better, failed, and not sent."""
    view = runs.run(
        [
            ["same words", "it takes five days", "a good one", "a bad one", "here", "there"],
            ["same words", "it takes three days", "a bad one", "a good one", runs.failure("timeout"), None],
        ],
        scores={"right": [[1, 1, 1, 0, 1, 1], [1, 1, 0, 1, None, None]]},
        expected=["yes", "no", "no", "no", "no", "no"],
    )
    state = GridState(CaseGrid(view))
    state.ask(asked)
    return state


def cases(state):
    return [row["case"] for row in state.page()["rows"]]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"show": "failures"}, [4, 5]),
        ({"show": "different"}, [1, 2, 3, 4, 5]),
        ({"show": "regressions"}, [2, 4]),
        ({"show": "regressions", "baseline": 1}, [3]),
        ({"find": "THREE days"}, [1]),
        ({"find": "timeout"}, [4]),
        ({"find": "word 3"}, [3]),
        ({"find": "yes"}, [0]),
        ({"find": "nowhere"}, []),
        ({"find": "bad", "show": "regressions"}, [2]),
        ({"order": "difference"}, [2, 4, 5, 3, 1, 0]),
        ({"order": "difference", "baseline": 1}, [3, 4, 5, 2, 1, 0]),
    ],
)
def test_filters_and_order(asked, shown):
    """A filter keeps the cases that its name says, a search looks at answers, cases and failures, in any case."""
    assert cases(a_state(**asked)) == shown


@pytest.mark.parametrize(
    ("address", "is_page"),
    [
        ("https://langfuse.example/project/p/traces/1?observation=2", True),
        ("http://127.0.0.1:3000/project/p", True),
        ("javascript:alert(1)", False),
        ("JavaScript://x/%0aalert(1)", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("file:///etc/passwd", False),
        ("//langfuse.example/traces/1", False),
        ("/traces/1", False),
        ("https:", False),
        ("https://", False),
        ("https://user:secret@langfuse.example/", False),
        ("https://[langfuse.example/", False),
        (" https://langfuse.example/", False),
        ("https://langfuse.example/\u202egnp", False),
        ("https://langfuse.example/\n", False),
        ("", False),
        (None, False),
        (7, False),
    ],
)
def test_a_link_leads_to_a_web_page_alone(address, is_page):
    """An address is linked when it is one of the web, with nothing in it that hides where it leads."""
    assert web_address(address) == (address if is_page else None)


def test_answers_that_have_a_trace_tell_its_address():
    """On a page, an answer or a failure with a trace has its address, and no other cell has any."""
    state = GridState(a_state().grid, {"t-1-0": "https://traces.example/a", "t-1-4": "https://traces.example/b"})
    cells = [(row["case"], arm, cell) for row in state.page()["rows"] for arm, cell in enumerate(row["cells"])]
    assert [(case, arm, cell["trace"]) for case, arm, cell in cells if "trace" in cell] == [
        (0, 1, "https://traces.example/a"),
        (4, 1, "https://traces.example/b"),
    ]


def test_a_page_has_25_cases():
    """Of 60 cases the first page has 25, the last one 10, and a page beyond it is the last."""
    state = GridState(CaseGrid(runs.run([["a"] * 60])))
    assert [PAGE, cases(state)] == [25, list(range(25))]
    state.ask({"page": 99})
    found = state.page()
    assert [row["case"] for row in found["rows"]] == list(range(50, 60))
    assert (found["pages"], found["first"], found["matching"], found["total"]) == (3, 50, 60, 60)
    assert found["query"]["page"] == 2


def test_answers_are_marked_against_the_baseline_that_is_pinned():
    """Words are marked against the chosen arm; its own answers are not marked."""
    row = a_state().page()["rows"][1]
    assert row["cells"][0]["text"] == "it takes five days"
    assert row["cells"][1]["steps"] == [9, -5, "three ", 4]
    turned = a_state(baseline=1).page()["rows"][1]
    assert turned["cells"][0]["steps"] == [9, -6, "five ", 4]
    assert turned["cells"][1]["text"] == "it takes three days"


def test_answers_with_nothing_in_common_are_not_marked():
    """An answer that shares less than a third of its text with the baseline's is shown as it is."""
    page = GridState(CaseGrid(runs.run([["a b c d e f"], ["u v w x y z"]]))).page()
    assert page["rows"][0]["cells"][1]["text"] == "u v w x y z"


def test_equal_answers_say_so():
    """An answer with the baseline's very text says that it is the same."""
    assert [cell["same"] for cell in a_state().page()["rows"][0]["cells"]] == [False, True]


def test_chips_tell_score_and_gap_tokens_time_and_cost():
    """Below an answer stand its score with the gap and a sign, tokens, seconds and USD; colour is never alone."""
    chips = a_state().page()["rows"][2]["cells"][1]["chips"]
    assert [(text, tone) for text, tone, _ in chips] == [
        ("▼ right 0 (-1)", "bad"),
        ("2 tok", "faint"),
        ("0.5 s", "faint"),
        ("$0.01", "faint"),
    ]


def test_a_smaller_number_can_be_the_better_one():
    """Of a score that counts down, the smaller number is told as better."""
    scores = {
        f"t-{arm}-0": (Score(name="words", value=value, scorer="length(lower_is_better=True)"),)
        for arm, value in enumerate([30.0, 20.0])
    }
    state = GridState(CaseGrid(replace(runs.run([["long"], ["short"]]), scores=scores)))
    assert state.page()["rows"][0]["cells"][1]["chips"][0][:2] == ["▲ words 20 (-10)", "good"]
    state.ask({"show": "regressions"})
    assert cases(state) == []


def test_an_answer_that_was_cut_off_says_so():
    """An answer that ended at the token limit has a chip that says it in words."""
    state = GridState(CaseGrid(runs.run([[runs.response("and th", finish_reason="length")]])))
    assert ["cut off at the token limit", "warn"] in [chip[:2] for chip in state.page()["rows"][0]["cells"][0]["chips"]]


def test_a_failure_says_what_and_why():
    """A cell without an answer has its status, its kind and its message."""
    cell = a_state().page()["rows"][4]["cells"][1]
    assert (cell["status"], cell["words"], cell["message"]) == ("failed", "failed: timeout", "slow down")
    assert a_state().page()["rows"][5]["cells"][1]["words"] == "skipped"


def test_repeats_are_rows():
    """Each repeat of a case is a row, numbered with its case."""
    view = runs.run([["a", "b"]])
    again = [replace(trial, trial_id=f"{trial.trial_id}-1", repeat=1) for trial in view.trials]
    state = GridState(CaseGrid(replace(view, trials=(*view.trials, *again))))
    assert [row["number"] for row in state.page()["rows"]] == ["0 / 0", "1 / 0", "0 / 1", "1 / 1"]
    assert state.page()["noun"] == "answer"


def test_an_empty_search_keeps_its_page():
    """A query keeps what a page did not send."""
    state = GridState(CaseGrid(runs.run([["a"] * 60])))
    state.ask({"page": 1})
    state.ask({"order": "difference"})
    assert (state.query.page, state.query.order) == (1, "difference")


@pytest.mark.parametrize(
    "asked",
    [
        {"show": "everything"},
        {"show": ["all"]},
        {"order": 1},
        {"score": "right"},
        {"baseline": "0"},
        {"baseline": True},
        {"page": 1.5},
        {"find": None},
        {"unknown": 1},
    ],
)
def test_nonsense_from_a_page_changes_nothing(asked):
    """What means nothing in a query leaves it as it was."""
    grid = a_state().grid
    before = GridQuery(score="right")
    assert read_query(asked, before, grid) == before


@pytest.mark.parametrize(("asked", "kept"), [(-5, 0), (99, 1), (1, 1)])
def test_a_baseline_is_one_of_the_arms(asked, kept):
    """A baseline beyond the arms is the nearest of them."""
    assert read_query({"baseline": asked}, GridQuery(), a_state().grid).baseline == kept


def test_a_score_that_comes_later_decides():
    """On a newer view the query stays, and a first score is taken up."""
    state = GridState(CaseGrid(runs.run([["a"], ["b"]])))
    state.ask({"find": "a"})
    moved = state.moved_to(CaseGrid(runs.run([["a"], ["b"]], scores={"right": [[1], [0]]})))
    assert (moved.query.find, moved.query.score) == ("a", "right")


@pytest.mark.parametrize("payload", payloads.HTML, ids=range(len(payloads.HTML)))
def test_a_page_can_be_sent_and_read(payload):
    """A page is JSON in UTF-8 without control or bidirectional characters, whatever stands in it."""
    view = runs.run(
        [[payload], [payload + " more"]],
        variables=[{payload: payload}],
        expected=[payload],
        scores={payload: [[1], [0]]},
    )
    sent = json.dumps(GridState(CaseGrid(view)).page(), ensure_ascii=False)
    sent.encode("utf-8")
    assert not {*"\x00\x1b\u202e\u2066\u2028"} & {*sent}


def test_a_page_of_long_answers_stays_small():
    """A page of six arms with answers of a megabyte is below 0.4 MB, and says how much is left out."""
    state = GridState(CaseGrid(runs.run([["x" * 1_000_000] * 3] * 6)))
    page = state.page()
    assert len(json.dumps(page)) < 400_000
    assert page["rows"][0]["cells"][0]["more"] == 998_000


def test_differences_are_found_for_the_page_alone(monkeypatch):
    """Turning a page compares the words of its 25 cases and of no others."""
    compared = []
    monkeypatch.setattr(
        "toolkit.widgets._grid_state.marked_pieces", lambda base, text: compared.append(text) if base else None
    )
    GridState(CaseGrid(runs.run([["a"] * 300, ["b"] * 300]))).page()
    assert len(compared) == 25


def test_a_large_grid_opens_in_a_moment():
    """A grid of 10,000 cases and 6 arms is made, and its first page with it, in under 3 seconds of processor time."""
    view = runs.run([["a few words of an answer"] * 10_000] * 6)
    before = time.process_time()
    page = GridState(CaseGrid(view)).page()
    assert time.process_time() - before < 3
    assert (page["total"], len(page["rows"])) == (10_000, 25)


def test_a_cell_is_named_by_case_repeat_and_arm():
    """A cell that the grid does not have is refused, and so is a name that is none."""
    state = a_state()
    assert state.row_at(2, 0, 1)[2].trial.trial_id == "t-1-2"
    for wrong in [(99, 0, 0), (0, 1, 0), (0, 0, 7), (0, 0, -1), ("0", 0, 0), ([0], 0, 0), (None, None, None)]:
        with pytest.raises(LookupError, match="no cell"):
            state.row_at(*wrong)


def test_a_page_can_be_copied_as_a_table():
    """The page as text has its header, whole answers, and a word for what has none."""
    lines = a_state(find="timeout").page_table()
    assert lines == [["case", "reply@1", "reply@2"], ["4", "here", "(failed: timeout)"]]
