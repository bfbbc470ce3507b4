"""A sweep over real HTTP, to servers in other processes."""

from __future__ import annotations

import os

import pytest

import toolkit as tk
from tests.servers._process import serving
from toolkit import _sync
from toolkit.engine import default_engine, set_default_engine


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder with two versions of a prompt, as the working directory; the environment names nothing else."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "greet.v1.prompt").write_text("---\nlabels: [production]\n---\nSay {{word}}.\n", encoding="utf-8")
    (folder / "greet.v2.prompt").write_text("---\ntemperature: 0\n---\nPlease say {{word}}.\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "LANGFUSE_", "TOOLKIT_")):
            monkeypatch.delenv(name)
    yield tmp_path
    _sync.run(default_engine().aclose())
    set_default_engine(None)


@pytest.fixture(scope="module")
def completions():
    """An OpenAI-compatible server in another process."""
    with serving("tests.servers.fake_openai") as server:
        yield server


def test_a_sweep_against_an_openai_compatible_server(project, completions, monkeypatch):
    """Prompts of a folder and a server behind OPENAI_BASE_URL give a frame with text, usage and served model."""
    completions.control(reset=True)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{completions.url}/v1")
    results = tk.sweep(["greet@*"], "openai/small", {"word": ["a", "b"]}, progress="off")
    assert list(results.df["status"]) == ["ok"] * 4
    assert all(row.text.endswith(f"ay {row['var.word']}.") for _, row in results.df.iterrows())
    assert (results.df["input_tokens"] > 0).all()
    bodies = [request["body"] for request in completions.requests()]
    assert sorted({key for body in bodies for key in body}) == ["messages", "model", "temperature"]
    tk.sweep(["greet@*"], "openai/small", {"word": ["a", "b"]}, progress="off")
    assert len(completions.requests()) == 4


def test_streaming_gives_the_same_text_and_the_time_to_the_first_token(project, completions, monkeypatch):
    """With stream=True the answers are the same, and ttft_s is known."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{completions.url}/v1")
    grid = {"prompts": "greet@1", "models": "openai/small", "variables": {"word": ["a"]}, "progress": "off"}
    plain, streamed = tk.sweep(**grid), tk.sweep(**grid, params={"stream": True})
    assert plain.df["text"].tolist() == streamed.df["text"].tolist()
    assert plain.df["ttft_s"].isna().all()
    assert (streamed.df["ttft_s"] <= streamed.df["latency_s"]).all()


def test_a_dead_server_is_rows_that_say_so(project, completions, monkeypatch):
    """A refused connection is tried, then a row of kind connect, and nothing counts as billed."""
    with serving("tests.servers.fake_openai") as doomed:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{doomed.url}/v1")
    results = tk.sweep("greet@1", "openai/small", {"word": ["a"]}, progress="off")
    row = results.df.iloc[0]
    assert (row["status"], row["failure"], row["possibly_billed"]) == ("failed", "connect", 0)
    assert row["attempts"] == 4


def test_prompts_from_langfuse_and_answers_over_http(project, completions, monkeypatch):
    """Versions and labels served over Langfuse's wire format are pinned, rendered and answered."""
    with serving("tests.servers.fake_langfuse") as langfuse:
        for text, labels in (("Say {{word}}.", ["production"]), ("Please say {{word}}.", [])):
            body = {"name": "team/greet", "type": "text", "prompt": text, "labels": labels, "config": {"seed": 1}}
            langfuse.call("POST", "/api/public/v2/prompts", body, headers={"authorization": LANGFUSE_BASIC})
        monkeypatch.setenv("LANGFUSE_HOST", langfuse.url)
        monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-test")
        monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-lf-test")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{completions.url}/v1")
        grid = {"models": "openai/small", "variables": {"word": ["a"]}, "progress": "off"}
        results = tk.sweep(["langfuse:team/greet@production", "langfuse:team/greet@2"], **grid)
        df = results.df
        assert list(df["prompt_version"]) == ["1", "2"]
        assert list(df["prompt_label"].fillna("")) == ["production", ""]
        assert list(df["param.seed"]) == [1, 1]
        assert [text.split(" ", 1)[1] for text in df["text"]] == ["Say a.", "Please say a."]
        # Without a source, a name is looked for where it can be: Langfuse has this one, the folder has not.
        assert tk.plan("team/greet@*", **{key: grid[key] for key in ("models", "variables")}).stored == 2


LANGFUSE_BASIC = "Basic cGstbGYtdGVzdDpzay1sZi10ZXN0"  # pk-lf-test:sk-lf-test
