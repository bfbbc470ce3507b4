"""The grid as a widget: what it answers to a page, what it keeps, and what it leaves in a notebook."""

from __future__ import annotations

import collections
import json
import random

import pytest

from tests.results import payloads, runs
from tests.results.test_security import hostile, read
from tests.widgets.answers import some_results
from toolkit.results import Results
from toolkit.widgets import CodeLine, CompareGrid
from toolkit.widgets._bundle import VIEW, takes_place_of_html


class Page:
    """What a browser would send to a grid, and what it got."""

    def __init__(self, results):
        self.grid = CompareGrid(results)
        self.got = []
        self.grid.send = lambda content, buffers=None: self.got.append((content, buffers))

    def ask(self, **content):
        self.got.clear()
        self.grid._handle_custom_msg(content, [])
        return [content for content, _ in self.got]


@pytest.fixture
def under_a_kernel(monkeypatch):
    """Results believe that this process is a kernel, whose page is JupyterLab's."""
    monkeypatch.setattr("toolkit.results._grid_face.has_kernel", lambda: True)
    monkeypatch.setattr("toolkit.widgets._grid.takes_place_of_html", lambda: True)
    monkeypatch.setattr("toolkit.results._grid_face._live", collections.deque())


def test_a_page_gets_what_it_asked_for():
    """An answer names the view and the number of the question, so that a late one can be told from the newest."""
    (answer,) = Page(some_results()).ask(ask="page", query={"page": 1}, to="v1", number=7)
    assert (answer["to"], answer["number"]) == ("v1", 7)
    assert [answer["page"]["query"]["page"], answer["page"]["rows"][0]["case"]] == [1, 25]


def test_the_first_page_is_there_before_the_output_it_is_drawn_in(under_a_kernel):
    """Shown for the first time, a grid sends its first page unasked; shown again as it was, it sends nothing."""
    page = Page(some_results())
    for sent in (["page"], []):
        page.got.clear()
        page.grid._repr_mimebundle_()
        assert [name for content, _ in page.got for name in content] == sent


def test_traces_that_are_made_later_are_shown(under_a_kernel):
    """Displayed again after its run was pushed, a grid sends its page once more, with the addresses of the traces."""
    results = some_results()
    page = Page(results)
    page.grid._repr_mimebundle_()
    page.got.clear()
    results._traces = {"t-0-0": "https://traces.example/a"}
    page.grid._repr_mimebundle_()
    page.grid._pages.flush()
    assert page.got[-1][0]["page"]["rows"][0]["cells"][0]["trace"] == "https://traces.example/a"


def test_the_trace_of_a_cell_is_asked_for():
    """Asked for a trace the grid gives its address, also one made since the page was; where none is, what makes one."""
    results = some_results()
    page = Page(results)
    page.ask(ask="page", query={})
    results._traces = {"t-0-0": "https://traces.example/a", "t-1-0": "javascript:alert(1)"}
    (answer,) = page.ask(ask="trace", case=0, repeat=0, arm=0, to="v1")
    assert answer == {"trace": "https://traces.example/a", "to": "v1"}
    for arm in (1, 2):
        (answer,) = page.ask(ask="trace", case=0, repeat=0, arm=arm, to="v1")
        assert answer == {"said": "No trace: results.to_langfuse() makes one."}


def test_a_cell_opens_with_everything():
    """An opened cell has the whole answer, the messages that were sent, the request's params and the raw response."""
    (answer,) = Page(some_results()).ask(ask="cell", case=0, repeat=0, arm=2, to="v1")
    cell = answer["cell"]
    assert cell["answer"] == "Hi Ana! A-17 is on its way. Arrives in 3 days, or shipping is on us."
    assert cell["messages"] == [{"role": "user", "text": "Answer Ana, who asks where order A-17 is. Be polite."}]
    assert json.loads(cell["raw"])["choices"][0]["finish_reason"] == "stop"
    assert json.loads(cell["about"])["model"] == "fake/small"


def test_a_failed_cell_opens_with_its_reason():
    """Where there is no answer, the opened cell has the failure's kind and message."""
    (answer,) = Page(some_results()).ask(ask="cell", case=1, repeat=0, arm=2)
    assert answer["cell"]["answer"] == "timeout: no answer within 60 s, after 3 attempts"
    assert answer["cell"]["answered"] is False


def test_a_rating_is_a_score_of_the_results():
    """A number that is pressed is kept as the score `human`, and every table has it."""
    results = some_results()
    page = Page(results)
    said, again = page.ask(ask="mark", case=0, repeat=0, arm=1, name="human", value=4)
    assert said["said"] == "Rated 4 of 5."
    assert [chip[0] for chip in again["page"]["rows"][0]["cells"][1]["chips"]][:2] == ["▲ polite 1 (+1)", "human 4"]
    frame = results.df
    assert frame.loc[frame["trial_id"] == "t-1-0", "score.human"].tolist() == [4.0]
    assert frame["score.human"].notna().sum() == 1


def test_a_star_comes_and_goes():
    """A starred answer says so, and no longer when the star is taken off."""
    page = Page(some_results())
    for value, shown in ((1, True), (None, False)):
        *_, last = page.ask(ask="mark", case=0, repeat=0, arm=0, name="star", value=value)
        cell = last["page"]["rows"][0]["cells"][0]
        assert cell["star"] is shown
        assert not [text for text, _, _ in cell["chips"] if "star" in text]


@pytest.mark.parametrize("value", [6, 0, -1, "5", 2.5, True])
def test_a_mark_is_a_number_from_1_to_5(value):
    """Anything else is refused in words in the widget, and nothing is kept."""
    results = some_results()
    (answer,) = Page(results).ask(ask="mark", case=0, repeat=0, arm=0, name="human", value=value)
    assert answer["failed"] is True
    assert "from 1 to 5" in answer["said"]
    assert "score.human" not in results.df


@pytest.mark.parametrize(
    ("kind", "ending"), [("csv", ".csv"), ("excel", ".xlsx"), ("jsonl", ".jsonl"), ("markdown", ".md")]
)
def test_an_export_is_a_file_here_and_in_the_browser(kind, ending, tmp_path, monkeypatch):
    """A button writes the file in the kernel's folder, says where, and sends the same bytes to the page."""
    monkeypatch.chdir(tmp_path)
    page = Page(some_results(cases=4))
    sent, said = page.ask(ask="export", kind=kind, to="v1")
    assert sent == {"file": f"results-run-1{ending}", "to": "v1"}
    assert page.got[0][1] == [(tmp_path / f"results-run-1{ending}").read_bytes()]
    assert said["said"].startswith(f"Wrote {tmp_path / 'results-run-1'}{ending}")


def test_an_export_that_fails_is_told_in_the_widget(tmp_path, monkeypatch):
    """When the folder cannot be written, the widget says so in its own line."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results-run-1.csv").mkdir()
    (answer,) = Page(some_results(cases=2)).ask(ask="export", kind="csv")
    assert answer["failed"] is True
    assert answer["said"].startswith("UsageError: ")


@pytest.mark.parametrize(
    "content",
    [
        {"ask": "cell", "case": 99, "repeat": 0, "arm": 0},
        {"ask": "cell"},
        {"ask": "mark", "case": 0, "repeat": 0, "arm": "0"},
    ],
)
def test_a_cell_that_is_not_there_is_told_in_the_widget(content):
    """A question about a cell that the grid has not got is answered by words, not by an exception that nobody sees."""
    (answer,) = Page(some_results()).ask(**content)
    assert answer["failed"] is True
    assert "no cell" in answer["said"]


@pytest.mark.parametrize("content", [{}, {"ask": "run"}, {"ask": None}, {"ask": "export", "kind": "sh"}])
def test_a_question_without_meaning_has_no_answer(content):
    """What the grid does not know it does not do."""
    assert Page(some_results()).ask(**content) == []


def test_a_copied_page_is_safe_to_paste():
    """What goes to a spreadsheet by the clipboard is no formula, and keeps its line breaks within a cell."""
    page = Page(Results(runs.run([["=1+1", "two\nlines", 'say "a"']])))
    (answer,) = page.ask(ask="copy")
    assert answer["copy"].splitlines()[1] == "0\t'=1+1"
    assert '1\t"two\nlines"' in answer["copy"]


def test_new_scores_appear():
    """What is scored after the grid was made is on the next page that is asked for."""
    results = some_results(cases=3)
    page = Page(results)
    results.mark("t-0-0", 5)
    (answer,) = page.ask(ask="page", query={})
    assert answer["page"]["scores"] == ["polite", "human"]


def test_what_was_asked_for_outlasts_new_scores():
    """Filter, page, baseline and chosen score stay as they were when the results get another score."""
    results = Results(runs.run([["a"] * 60] * 2, scores={"first": [[1] * 60] * 2, "second": [[1] * 60] * 2}))
    page = Page(results)
    page.ask(ask="page", query={"page": 1, "baseline": 1, "score": 1, "find": "a"})
    results.mark("t-0-0", 5)
    (answer,) = page.ask(ask="page", query={})
    query = answer["page"]["query"]
    assert [query[name] for name in ("page", "baseline", "score", "find")] == [1, 1, 1, "a"]


def test_nothing_of_an_answer_is_in_the_widget_s_state():
    """State, which notebooks may save, has neither answers nor variables nor messages: only the program that draws."""
    page = Page(Results(runs.run([["a secret answer"]], variables=[{"q": "a secret question"}])))
    page.ask(ask="page", query={"find": "secret"})
    page.ask(ask="cell", case=0, repeat=0, arm=0)
    state = json.dumps(page.grid.get_state())
    assert "secret" not in state
    assert len(state) < 40_000


def test_the_program_is_small():
    """What travels with every grid is below 30 KB for the program and below 10 KB for its style."""
    assert len(CompareGrid._esm) < 30_000
    assert len(str(CompareGrid._css)) < 10_000


def test_the_program_never_writes_markup():
    """The program puts texts in as text: it has no way to write HTML, and names no address."""
    for program in (CompareGrid._esm, CodeLine._esm):
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "//cdn",
            "http:",
            "https:",
        ):
            assert word not in str(program), word


def large():
    """Returns ten thousand cases by six arms, each answer of a hundred words with 15 of them changed."""
    rng = random.Random(1)
    words = [f"word{n}" for n in range(2_000)]
    first = [rng.choices(words, k=100) for _ in range(500)]

    def edited(line):
        return " ".join(rng.choice(words) if rng.random() < 0.15 else word for word in line)

    lines = [[edited(first[n % 500]) if arm else " ".join(first[n % 500]) for n in range(500)] * 20 for arm in range(6)]
    return Results(runs.run(lines))


def test_ten_thousand_cases_are_small_on_the_wire_and_in_the_notebook():
    """Of 10,000 cases by 6 arms of 100 words, under 0.3 MB is sent to open them and under 0.1 MB is saved."""
    page = Page(large())
    (answer,) = page.ask(ask="page", query={})
    sent = len(json.dumps(page.grid.get_state())) + len(json.dumps(answer))
    assert sent < 300_000
    assert len(page.grid.static_html()) < 100_000


def test_in_a_notebook_results_are_html_in_whose_place_the_grid_stands(under_a_kernel):
    """Where the page allows it, the output that is saved is HTML and text alone, and the HTML has the grid's place."""
    results = some_results()
    shown = results._repr_mimebundle_()
    assert sorted(shown) == ["text/html", "text/plain"]
    assert results.grid().slot in shown["text/html"]
    assert "Hi Ana!" in shown["text/html"]
    assert shown["text/plain"] == repr(results)


def test_results_have_one_grid():
    """However often the grid is asked for, it is the same widget, made when it is first needed."""
    results = some_results(cases=2)
    assert results.grid() is results.grid()
    assert isinstance(results.grid(), CompareGrid)


def test_the_last_eight_grids_stay_live(under_a_kernel):
    """Results that are shown one after the other keep the last eight grids alive; shown again, one is made anew."""
    shown = [some_results(cases=2) for _ in range(10)]
    for results in shown:
        results._repr_mimebundle_()
    assert [results._grid.is_closed for results in shown] == [True] * 2 + [False] * 8
    first = shown[0]._grid
    assert shown[0].grid() is not first
    assert shown[9].grid() is shown[9]._grid


def test_elsewhere_the_bundle_has_the_widget_too(monkeypatch):
    """Where the page must be told of a widget, the output has it beside the HTML and the text."""
    monkeypatch.setattr("toolkit.results._grid_face.has_kernel", lambda: True)
    monkeypatch.setattr("toolkit.widgets._grid.takes_place_of_html", lambda: False)
    results = some_results(cases=2)
    assert results._repr_mimebundle_()[VIEW]["model_id"] == results.grid().model_id
    assert sorted(results.grid()._repr_mimebundle_()) == [VIEW, "text/html", "text/plain"]


@pytest.mark.parametrize(
    ("environment", "loaded", "expected"),
    [
        ({}, "", True),
        ({"JPY_SESSION_NAME": "x"}, "", True),
        ({"VSCODE_PID": "1"}, "", False),
        ({"PYCHARM_HOSTED": "1"}, "", False),
        ({"DATABRICKS_RUNTIME_VERSION": "15.4"}, "", False),
        ({"SERVER_SOFTWARE": "voila/0.5"}, "", False),
        ({}, "google.colab", False),
    ],
)
def test_hosts_that_need_to_see_a_view(environment, loaded, expected):
    """VS Code, Colab and Voila are shown the widget's view; JupyterLab and Notebook make its model without."""
    assert takes_place_of_html(environment, lambda name: name == loaded) is expected


def test_results_show_without_widgets_when_these_fail(monkeypatch, under_a_kernel, caplog):
    """A machine on which the grid cannot be made shows the static form, and the log says why."""

    def broken(name):
        raise ImportError("no ipywidgets")

    monkeypatch.setattr("toolkit.results._grid_face.maker_of", broken)
    results = some_results(cases=2)
    assert results._repr_mimebundle_() == {"text/plain": repr(results), "text/html": results._repr_html_()}
    assert "live grid could not be made" in caplog.text


def test_without_a_kernel_results_make_no_widget():
    """Outside a notebook the bundle is HTML and text, and no widget is made for it."""
    results = some_results(cases=2)
    results._repr_mimebundle_()
    assert results._grid is None


@pytest.mark.parametrize("payload", payloads.HTML, ids=range(len(payloads.HTML)))
def test_no_markup_comes_from_foreign_text(payload):
    """The static grid has the same elements whatever models, prompts, names and errors say."""
    found, plain = (read(str(CompareGrid(hostile(text)).static_html())) for text in (payload, "harmless"))
    assert found.elements == plain.elements
    assert found.others == []


def test_the_static_grid_marks_words_and_stays_out_of_mathematics():
    """The saved form has marks for removed and added words, and both generations of MathJax leave it alone."""
    shown = str(CompareGrid(Results(runs.run([["costs $5 and $6 now"], ["costs $5 or $6 now"]]))).static_html())
    assert ">and </del>" in shown
    assert ">or </ins>" in shown
    assert "tex2jax_ignore mathjax_ignore" in shown


def test_the_line_of_code_lasts():
    """A line of code is in the saved notebook as text."""
    shown = CodeLine("tk.prompt('support/reply@7')")._repr_mimebundle_()
    assert "tk.prompt(&#x27;support/reply@7&#x27;)" in shown["text/html"]
    assert shown["text/plain"] == "tk.prompt('support/reply@7')"
