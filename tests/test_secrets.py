"""A secret planted in every credential slot turns up nowhere: not in output, logs, errors, reprs, frames or files."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.servers._process import serving

ROOT = Path(__file__).parent.parent

PLANTED = {
    "OPENAI_API_KEY": "planted-openai-zw7yqk",
    "GROQ_API_KEY": "planted-groq-zw7yqk",
    "ANTHROPIC_API_KEY": "planted-anthropic-zw7yqk",
    "AZURE_API_KEY": "planted-azure-zw7yqk",
    "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
    "LANGFUSE_SECRET_KEY": "planted-langfuse-zw7yqk",
    "HUMANLOOP_API_KEY": "planted-humanloop-zw7yqk",
}
SIGN = "zw7yqk"

# What a user does, with every slot filled, against servers that refuse and echo; everything printable is printed.
PROGRAM = textwrap.dedent(
    """
    import copy, logging, pickle, sys, traceback, warnings
    logging.basicConfig(level=logging.DEBUG)
    import toolkit as tk
    tk.set_verbose = True
    engine = tk.configure("config.yaml")
    calls = [
        dict(model="openai/m", messages=[{"role": "user", "content": "hi"}], api_key="planted-argument-zw7yqk"),
        dict(model="alias", messages=[{"role": "user", "content": "hi"}]),
        dict(model="groq/m", messages=[{"role": "user", "content": "hi"}], api_base=sys.argv[1]),
        dict(model="anthropic/m", messages=[{"role": "user", "content": "hi"}]),
        dict(model="azure/m", messages=[{"role": "user", "content": "hi"}]),
        dict(model="langfuse/openai/m", prompt_id="p"),
        dict(model="langfuse/openai/m", prompt_id="p", langfuse_host=sys.argv[1], langfuse_public_key="pk",
             langfuse_secret="planted-secret-argument-zw7yqk"),
        dict(model="humanloop/openai/m", prompt_id="p"),
        dict(model="humanloop/openai/m", prompt_id="p", humanloop_api_key="planted-humanloop-argument-zw7yqk"),
    ]
    failed = 0
    for call in calls:
        for stream in (False, True):
            try:
                answer = tk.completion(**call, stream=stream, max_retries=0)
                print(answer, *(answer if stream else ()), answer if stream else answer.model_dump(), flush=True)
                print("ANSWERED", flush=True)
            except tk.ToolkitError as error:
                failed += 1
                print(repr(error), str(error), vars(error), pickle.dumps(error), copy.copy(error).args, flush=True)
                try:
                    # The first frame is this program's own; all that lie deeper are the package's.
                    error.__traceback__ = error.__traceback__.tb_next
                    traceback.TracebackException.from_exception(error, capture_locals=True).print()
                except Exception as broken:
                    print(broken)
    prompt = tk.Prompt(prompt_id="p", version="1", kind="text", template="{{a}}", source="memory")
    results = tk.sweep(prompt, ["alias", "openai/m", "anthropic/m"], {"a": ["1", "2"]}, progress="off")
    print(results, results.df.to_dict(), results.audit(), results._repr_html_(), results.failures, flush=True)
    for name in ("r.csv", "r.jsonl", "r.md", "r.parquet"):
        results.export(name)
    print(repr(engine), vars(engine), repr(engine.config), engine.settings)
    print(vars(engine.providers), vars(engine.sources))
    print("FAILED", failed)
    """
)


@pytest.mark.parametrize("status", [401, 429, 500])
def test_planted_secrets_turn_up_nowhere(tmp_path, status):
    """Against services that refuse and echo keys, no output, error, repr, store, frame or export shows one."""
    (tmp_path / "config.yaml").write_text(
        textwrap.dedent(
            """
            model_list:
              - model_name: alias
                litellm_params: {model: openai/other, api_key: planted-config-zw7yqk, api_base: os.environ/BASE}
            litellm_settings: {langfuse_public_key: pk, langfuse_secret_key: planted-default-zw7yqk,
                               langfuse_host: os.environ/HOST}
            general_settings: {master_key: planted-master-zw7yqk}
            """
        ),
        encoding="utf-8",
    )
    with serving("tests.servers.fake_openai") as server:
        # What providers say of a bad key: they show it.
        everything = " ".join([*PLANTED.values(), "planted-argument-zw7yqk", "planted-config-zw7yqk"])
        server.control(
            status=status, times=None, body={"error": {"message": f"Incorrect API key provided: {everything}"}},
            headers={"retry-after": "0", "x-request-id": "r-1"},
        )  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_BASE"))}
        environment |= PLANTED | {
            "BASE": server.url,
            "HOST": server.url,
            "OPENAI_BASE_URL": server.url,
            "GROQ_BASE_URL": server.url,
            "ANTHROPIC_BASE_URL": server.url,
            "AZURE_API_BASE": server.url,
            "LANGFUSE_HOST": server.url,
            "HUMANLOOP_BASE_URL": server.url,
            "PYTHONPATH": str(ROOT),
            "TOOLKIT_HOME": str(tmp_path / "home"),
        }
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, server.url], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        # The slots were really used: every call failed, and keys did reach the server in their headers.
        assert "FAILED 18" in done.stdout
        assert SIGN in str(server.requests())
    (tmp_path / "config.yaml").unlink()
    assert SIGN not in done.stdout
    assert SIGN not in done.stderr
    found = [path.name for path in tmp_path.rglob("*") if path.is_file() and SIGN.encode() in path.read_bytes()]
    assert found == []
    assert any(path.suffix == ".sqlite" for path in tmp_path.rglob("*"))
