"""What a model writes stays text: in a notebook, in Markdown, in a terminal, in a spreadsheet."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.results import payloads, runs
from toolkit._records import Score
from toolkit.results import Results, element, joined

SHOWN = {"div", "p", "pre", "strong", "span", "table", "thead", "tbody", "tr", "th", "td"}
VOID = {"class", "style", "scope", "dir"}


class Reader(HTMLParser):
    """Collects every element, attribute and comment of a page."""

    def __init__(self):
        super().__init__()
        self.elements, self.attributes, self.others, self.text = [], set(), [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes |= {(name, value) for name, value in attrs}

    def handle_comment(self, data):
        self.others.append(data)

    handle_decl = handle_pi = unknown_decl = handle_comment

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    """Returns what a parser finds in a page."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def hostile(payload):
    """Returns a run in which everything that is not ours is `payload`."""
    arms = [
        runs.arm(
            place,
            prompt=runs.prompt(f"{payload}{place}", payload),
            model=f"fake/{payload}",
            params={payload: payload, "n": place},
        )
        for place in range(2)
    ]
    answers = [
        [payload, runs.failure(payload, payload), None],
        [runs.response(payload, refusal=payload), runs.response(payload, finish_reason="length"), payload],
    ]
    view = runs.run(answers, arms=arms, variables=[{payload: payload}] * 3, expected=[payload] * 3, run_id=payload)
    scores = {trial.trial_id: (Score(name=payload, value=0.5, explanation=payload),) for trial in view.trials}
    return Results(replace(view, scores=scores))


SURFACES = {
    "results": lambda results: results._repr_html_(),
    "bundle": lambda results: results._repr_mimebundle_()["text/html"],
    "audit": lambda results: results.audit()._repr_html_(),
}


def harmless():
    """Returns the same run with a word in place of the payload."""
    return hostile("harmless")


def test_corpus_is_large():
    """The corpus has at least 60 payloads, all different."""
    assert len(set(payloads.HTML)) == len(payloads.HTML) >= 60


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("payload", payloads.HTML, ids=range(len(payloads.HTML)))
def test_no_markup_comes_from_foreign_text(surface, payload):
    """A page has the same elements and attributes whatever models, prompts, names and errors say, and no comment."""
    found = read(SURFACES[surface](hostile(payload)))
    plain = read(SURFACES[surface](harmless()))
    assert found.elements == plain.elements
    assert found.attributes == plain.attributes
    assert found.others == []
    assert set(found.elements) <= SHOWN
    assert {name for name, _ in found.attributes} <= VOID


@pytest.mark.parametrize("surface", SURFACES)
def test_page_loads_and_runs_nothing(surface):
    """No address stands in what is ours of a page, so that there is nothing to fetch."""
    page = SURFACES[surface](harmless())
    assert "//" not in page
    assert "url(" not in page
    assert "javascript" not in page.lower()


def test_text_is_shown_as_written():
    """What a model wrote is read in the page exactly as it wrote it."""
    written = "a <b>bold</b> & \"quoted\" 'claim'\n  on $5 and $6"
    assert written in read(Results(runs.run([[written]]))._repr_html_()).text


def test_dollars_are_not_mathematics():
    """A page tells both generations of MathJax to leave it alone."""
    (classes,) = {
        value for name, value in read(Results(runs.run([["$5 and $6"]]))._repr_html_()).attributes if name == "class"
    }
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(classes.split())


@pytest.mark.parametrize("payload", payloads.HTML, ids=range(len(payloads.HTML)))
def test_page_and_text_can_be_sent(payload):
    """Both forms encode as UTF-8 and have no control or bidirectional character, whatever they show."""
    results = hostile(payload)
    for shown in (results._repr_html_(), repr(results), results.verdict, repr(results.audit())):
        shown.encode("utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_terminal_is_not_driven():
    """An escape sequence in a name is shown as text by the terminal form."""
    results = Results(runs.run([["x"]], arms=[runs.arm(prompt=runs.prompt("red\x1b[31m"))]))
    assert "red\\x1b[31m" in repr(results)


@pytest.mark.parametrize(
    ("tag", "attributes"), [("script", {}), ("img", {}), ("a", {}), ("div", {"onclick": "x"}), ("div", {"href": "x"})]
)
def test_builder_knows_only_inert_elements(tag, attributes):
    """The builder refuses elements and attributes that run, load or link."""
    with pytest.raises(ValueError, match="not among the elements"):
        element(tag, "x", **attributes)


def test_builder_escapes_by_default():
    """Text is escaped unless the builder made it, also when it is nested in lists."""
    assert joined("<a>", [element("p", "<b>")], None) == "&lt;a&gt;<p>&lt;b&gt;</p>"


def test_built_and_unbuilt_make_unbuilt():
    """Joining what was built with foreign text by `+` is not safe and is escaped again."""
    assert joined(element("p", "x") + "<b>") == "&lt;p&gt;x&lt;/p&gt;&lt;b&gt;"


@pytest.mark.parametrize("payload", payloads.HTML, ids=range(len(payloads.HTML)))
def test_markdown_has_no_markup(tmp_path, payload):
    """A Markdown report has no angle bracket but its line breaks, and its tables keep their cells and lines."""
    report = hostile(payload).export(tmp_path / "x.md").read_text("utf-8")
    plain = harmless().export(tmp_path / "y.md").read_text("utf-8")
    assert set(re.findall("<[^>]*>?", report)) <= {"<br>"}
    unescaped = re.compile(r"(?<!\\)(?:\\\\)*\|")
    assert [len(unescaped.findall(line)) for line in report.splitlines()] == [
        len(unescaped.findall(line)) for line in plain.splitlines()
    ]
    assert not re.search(r"(?<!\\)(?:\\\\)*[\[`$]", report)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ('=HYPERLINK("http://evil.test")', '\'=HYPERLINK("http://evil.test")'),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("\ttext", "'\ttext"),
        ("\ntext", "'\ntext"),
        (" =1", "' =1"),
        ("\u00a0=1", "'\u00a0=1"),
        ("\u200b=1", "'\u200b=1"),
        ("\ufeff=1", "'\ufeff=1"),
        ("\u2060+1+1", "'\u2060+1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\uff0b1+1", "'\uff0b1+1"),
        ("\uff0d1+1", "'\uff0d1+1"),
        ("\uff20x", "'\uff20x"),
        ("- an item", "'- an item"),
        ("-inf", "'-inf"),
        ("+nan", "'+nan"),
        ("-1e999", "'-1e999"),
        ("-1_000", "'-1_000"),
        ("+\uff11", "'+\uff11"),
        ("-5", "-5"),
        ("+5.5", "+5.5"),
        ("-.5e-3", "-.5e-3"),
        ("5", "5"),
        ("text", "text"),
        ("a=1", "a=1"),
        ("'quoted", "'quoted"),
        ("", ""),
    ],
)
def test_formulas_are_text(tmp_path, text, written):
    """A cell that a spreadsheet would run gets a `'`; numbers and other texts stay; `safe=False` leaves all alone."""
    results = Results(runs.run([[text]]))

    def cell(**options):
        with results.export(tmp_path / "x.csv", **options).open(encoding="utf-8", newline="") as file:
            (row,) = csv.DictReader(file)
        return row["text"]

    assert cell() == written
    assert cell(safe=False) == text


def test_formulas_everywhere(tmp_path):
    """Names, variables, messages and expected answers are guarded like answers."""
    with hostile("=1+1").export(tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert cells.count("'=1+1") > 10
    assert not [cell for cell in cells if cell.startswith("=")]
