"""What tests of whole runs share: a clean environment, a Langfuse with two versions of a prompt, patience."""

from __future__ import annotations

import os
import time

from tests.servers.fake_langfuse import AUTHORIZATION

PROMPTS = "/api/public/v2/prompts"

FAST = {"models": "openai/small", "progress": "off"}
"""Options of a sweep that every test here gives."""


def clean_environment(monkeypatch, folder):
    """Makes `folder` the working directory and lets the environment name no service."""
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "LANGFUSE_", "TOOLKIT_")):
            monkeypatch.delenv(name)


def write_prompts(folder):
    """Writes two versions of `greet` as files."""
    prompts = folder / "prompts"
    prompts.mkdir()
    (prompts / "greet.v1.prompt").write_text("---\nlabels: [production]\n---\nSay {{word}}.\n", encoding="utf-8")
    (prompts / "greet.v2.prompt").write_text("Please say {{word}}.\n", encoding="utf-8")


def post_prompt(langfuse, text, *, name="greet", labels=(), kind="text"):
    """Adds a version of a prompt to a Langfuse server."""
    body = {"name": name, "type": kind, "prompt": text, "labels": [*labels], "config": {}}
    return langfuse.call("POST", PROMPTS, body, headers={"authorization": AUTHORIZATION})


def move_label(langfuse, version, label, *, name="greet"):
    """Puts a label on a version."""
    path = f"{PROMPTS}/{name}/versions/{version}"
    langfuse.call("PATCH", path, {"newLabels": [label]}, headers={"authorization": AUTHORIZATION})


def words(count, *, first=0):
    """So many cases, each with a word of its own."""
    return {"word": [f"w{number:04}" for number in range(first, first + count)]}


def wait_until(condition, *, at_most_s=60.0):
    """Waits for a condition of another thread or process, and fails when it never comes."""
    deadline = time.monotonic() + at_most_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("the condition never came")
        time.sleep(0.005)
