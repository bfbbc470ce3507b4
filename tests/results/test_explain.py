"""Why a trial was sent or was not: named by the field in which the nearest stored trial differs."""

from __future__ import annotations

import pytest

import toolkit as tk
from tests.builders import make_prompt
from toolkit import _sync
from toolkit.config import Settings
from toolkit.errors import BadRequestError, UnknownNameError
from toolkit.testing import FakeProvider, FakeSource, fake_engine

PROMPTS = (make_prompt(), make_prompt("Please say {{word}}.", version="2"))
FIRST = {"prompts": "fake:greet@1", "models": "fake/x", "variables": [{"word": "a"}], "params": {"temperature": 0}}


@pytest.fixture
def engine(tmp_path):
    """An engine whose store has one answered trial: `FIRST`."""
    made = fake_engine(
        Settings(home=tmp_path / "home", prompts_folder=tmp_path / "prompts"),
        providers=[FakeProvider(["ok"])],
        sources=[FakeSource(PROMPTS)],
    )
    tk.sweep(**FIRST, progress="off", engine=made)
    yield made
    _sync.run(made.aclose())


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"prompts": "fake:greet@2"}, ["prompt_version", "prompt_content"]),
        ({"models": "fake/y"}, ["model_sent"]),
        ({"params": {"temperature": 1}}, ["param.temperature"]),
        ({"params": {"temperature": 0, "seed": 1}}, ["param.seed"]),
        ({"variables": [{"word": "b"}]}, ["var.word"]),
    ],
)
def test_a_trial_that_was_sent_names_the_field_that_no_stored_answer_shared(engine, change, fields):
    """A trial that differs from the nearest stored one in some fields names them, with both values."""
    results = tk.sweep(**(FIRST | change), progress="off", engine=engine)
    found = results.explain(results.df.iloc[0])
    assert [each.field for each in found.differences] == fields
    assert all(name in found.reason for name in fields)
    assert found.nearest_run is not None
    assert all(each.here != each.there for each in found.differences)


def test_a_further_repeat_is_named(engine):
    """The second repeat of a stored trial was sent, because the repeat differs; the first was not."""
    results = tk.sweep(**FIRST, repeats=2, progress="off", engine=engine)
    assert "was not sent" in results.explain(case=0, repeat=0).reason
    assert [each.field for each in results.explain(case=0, repeat=1).differences] == ["repeat"]


def test_a_trial_that_was_not_sent_says_whose_answer_it_has(engine):
    """The same call again says that this run has the answer already; another run names the run that paid."""
    again = tk.sweep(**FIRST, progress="off", engine=engine)
    assert again.explain(again.df["trial_id"].iloc[0]).reason.startswith("It was not sent: this run has its answer")
    wider = tk.sweep(**(FIRST | {"variables": [{"word": "a"}, {"word": "b"}]}), progress="off", engine=engine)
    assert again.run_id in wider.explain(case=0).reason
    assert "was not sent" in wider.explain(case=0).reason


def test_the_first_run_of_a_store_has_nothing_to_compare_with(engine):
    """Without another run there is no nearest trial, and the explanation says so."""
    opened = tk.open_run(tk.runs(engine=engine)[0], engine=engine)
    found = opened.explain(case=0)
    assert found.nearest is None
    assert "no other run" in found.reason


def test_a_failure_says_that_it_will_be_sent_again(engine, tmp_path):
    """A failed trial's explanation has its kind, and that failures are not reused."""
    broken = fake_engine(
        Settings(home=tmp_path / "home2", prompts_folder=tmp_path / "prompts"),
        providers=[FakeProvider([BadRequestError("no")])],
        sources=[FakeSource(PROMPTS)],
    )
    results = tk.sweep(**FIRST, progress="off", engine=broken)
    reason = results.explain(case=0).reason
    assert "bad_request" in reason
    assert "sends it again" in reason
    _sync.run(broken.aclose())


@pytest.mark.parametrize("which", [("t1:nothing",), (None,)])
def test_a_trial_that_the_run_does_not_have_is_refused(engine, which):
    """An unknown id or place is an error that names it."""
    with pytest.raises(UnknownNameError, match="has no trial"):
        tk.open_run(tk.runs(engine=engine)[0], engine=engine).explain(*which)
