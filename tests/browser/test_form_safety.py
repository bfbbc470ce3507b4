"""What prompts, cases, models and providers write stays text in the picker, the form, a run, and under `%%prompt`."""

from __future__ import annotations

import pytest

from tests.browser._lab import expect
from tests.browser.test_form_in_lab import SETUP

pytestmark = pytest.mark.browser

# Every text of the corpus is a case and an answer, or what a call failed with; some are prompts and their config.
HOSTILE = """
import json
from toolkit.errors import BadRequestError
from tests.results import payloads
texts = [text.replace("alert(1)", "(window.__xss=1,alert(1))") for text in payloads.HTML]

def answer(request):
    place = texts.index(request.messages[-1].content.split("CASE ")[1].split(" END")[0])
    if place % 2:
        raise BadRequestError(texts[place], provider="fake", model="m")
    return texts[place]

folder = Path(tempfile.mkdtemp())
set_default_engine(make_engine(folder, provider=FakeProvider(answer)))
for number, text in enumerate(texts[:12], start=1):
    front = json.dumps({"model": "fake/m", "commit_message": text, "note": text})
    (folder / "prompts" / f"odd.v{number}.prompt").write_text(f"---\\n{front}\\n---\\n{text} CASE {{{{name}}}} END")
cases = [{"name": text} for text in texts]
form = tk.SweepForm({text: cases for text in texts[:5]}, prompt="odd", models=[f"fake/{text}" for text in texts[:5]])
form
"""
MAGIC = "%%prompt odd -m fake/m -c cases\n<img src=x onerror=(window.__xss=1,alert(1))> CASE {{name}} END"


def test_nothing_that_is_shown_runs_or_loads(page, lab, notebook) -> None:
    """Of a corpus of attacks in every place that is not ours, nothing runs, opens a dialog or asks for an address."""
    asked, dialogs = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    notebook(SETUP, HOSTILE, "%load_ext toolkit", MAGIC)
    expect(page.locator(".pk-versions option")).to_have_count(12)
    asked.clear()
    page.get_by_label("Compare with").select_option(index=1)
    for tab in ("Diff", "Config", "JSON", "Preview"):
        page.get_by_role("tab", name=tab).click()
    page.get_by_role("button", name="Add to sweep").click()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".pk-run > .pk-status")).to_contain_text("ended · 80 of 80")
    expect(page.locator(".pk-failures")).to_contain_text("bad_request")
    assert page.evaluate("window.__xss") is None
    assert dialogs == []
    # Lab itself asks its server how the kernel is, and for the picture of a busy one.
    own = (f"{lab.url}/api/", f"{lab.url}/static/favicons/", f"{lab.url}/lab/api/", "blob:")
    assert [url for url in asked if not url.startswith(own)] == []
    foreign = "script, img, iframe, svg, object, embed, link, style, form, video, audio, base"
    assert page.locator(".jp-OutputArea-output").locator(foreign).count() == 0
