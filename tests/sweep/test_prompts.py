"""The public calls about prompts: get one, list them, forget what is cached; and prompts as arguments of a sweep."""

from pathlib import Path

import pytest

import toolkit as tk
from tests.builders import make_prompt
from toolkit import _sync
from toolkit.config import Settings
from toolkit.errors import PromptNotFoundError, UsageError
from toolkit.prompts import PromptReference, Selector
from toolkit.testing import FakeProvider, fake_engine


@pytest.fixture
def engine(tmp_path: Path):
    """An engine over a folder with two versions of `reply` and one of `greet`, and a scripted provider."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "reply.v1.prompt").write_text("---\nmodel: fake/m\nlabels: [production]\ntags: [demo]\n---\nOne {{a}}")
    (folder / "reply.v2.prompt").write_text("Two {{a}}")
    (folder / "greet.prompt").write_text("System: x")
    made = fake_engine(Settings(home=tmp_path / "home", prompts_folder=folder), providers=[FakeProvider()])
    yield made
    _sync.run(made.aclose())


@pytest.mark.parametrize(
    ("given", "reference"),
    [
        ({"reference": "reply"}, "folder:reply@2"),
        ({"reference": "folder:reply@production"}, "folder:reply@1"),
        ({"reference": PromptReference(name="reply", selector=Selector(kind="version", value="1"))}, "folder:reply@1"),
        ({"name": "reply", "version": 1}, "folder:reply@1"),
        ({"name": "reply", "source": "dotprompt", "label": "production"}, "folder:reply@1"),
        ({"name": "greet"}, "folder:greet@1"),
    ],
)
def test_a_prompt_is_got_by_reference_or_by_parts(engine, given, reference):
    """A reference, or name, source and version or label apart, give one prompt."""
    assert tk.prompt(**given, engine=engine).reference == reference


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "No prompt is named"),
        ({"reference": "reply", "version": 1}, "also by"),
        ({"name": "reply", "version": 1, "label": "x"}, "both given"),
        ({"reference": "reply@*"}, "names 2 versions"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(engine, given, says):
    """Nothing named, two ways at once, or several versions are errors that say so."""
    with pytest.raises(UsageError, match=says):
        tk.prompt(**given, engine=engine)


def test_a_prompt_made_by_hand_can_be_managed(engine):
    """A `Prompt` in place of a reference is rendered and compared like others."""
    assert tk.prompt(make_prompt("Say {{word}}."), engine=engine).render(word="hi")[0]["content"] == "Say hi."


def test_an_unknown_prompt_is_an_error(engine):
    """A name that is nowhere is an error with the nearest name."""
    with pytest.raises(PromptNotFoundError, match="Did you mean 'reply'"):
        tk.prompt("repli", engine=engine)


def test_the_list_is_a_frame(engine):
    """One row a prompt, with counts, newest version, labels, tags and model as nullable columns."""
    frame = tk.prompts(engine=engine)
    assert list(frame.columns) == [
        "source", "prompt", "kind", "versions", "newest", "labels", "tags", "model", "updated_at",
    ]  # fmt: skip
    shown = frame.drop(columns=["model", "updated_at"]).astype(object)
    assert shown.to_numpy().tolist() == [
        ["folder", "greet", "chat", 1, "1", "", ""],
        ["folder", "reply", "text", 2, "2", "production", "demo"],
    ]
    assert frame["model"].isna().tolist() == [True, True]
    assert [str(dtype) for dtype in frame.dtypes] == ["string"] * 3 + ["Int64"] + ["string"] * 4 + [
        "datetime64[us, UTC]"
    ]
    assert list(tk.prompts("rep", source="folder", engine=engine)["prompt"]) == ["reply"]
    assert list(tk.prompts("none", engine=engine).columns) == list(frame.columns)


@pytest.mark.line("3.30")
def test_refresh_forgets_what_is_cached(engine):
    """`refresh` reaches every source of the engine."""
    dropped = []

    class Cached:
        name = "cached"

        def refresh(self) -> None:
            dropped.append("cached")

    engine.sources._made["cached"] = Cached()
    tk.refresh(engine=engine)
    assert dropped == ["cached"]
    del engine.sources._made["cached"]


def test_a_sweep_takes_every_form_of_a_prompt(engine):
    """References as text and as records, managed prompts and prompts made by hand stand side by side, or alone."""
    forms = [
        "reply@1",
        PromptReference(name="reply", selector=Selector(kind="version", value="2")),
        tk.prompt("greet", engine=engine),
        make_prompt("Say {{a}}."),
    ]
    plan = tk.plan(forms, ["fake/m"], [{"a": 1}], engine=engine)
    assert [arm.prompt.reference for arm in plan.arms] == [
        "folder:reply@1",
        "folder:reply@2",
        "folder:greet@1",
        "fake:greet@1",
    ]
    for form in forms[:2] + forms[3:]:
        assert tk.plan(form, ["fake/m"], [{"a": 1}], engine=engine).trials == 1


def test_humanloops_variables_are_checked_before_a_sweep(engine):
    """A sweep refuses a missing variable of every template format but Jinja's by its list of names."""
    prompt = make_prompt("Say {{ word }}.", template_format="humanloop")
    with pytest.raises(tk.ToolkitError, match="needs 'word', missing in every row"):
        tk.plan(prompt, ["fake/m"], [{"a": 1}], engine=engine)
