"""Row 58: a key that expires in the middle of a sweep, and the sweep that goes on with a new one."""

from __future__ import annotations

from typing import Any

import pytest

import toolkit as tk
from tests.builders import make_prompt
from tests.servers._process import ServerProcess
from toolkit import _sync
from toolkit.config import Settings
from toolkit.testing import fake_engine

OLD, NEW = "kestrel-credential-old-1", "kestrel-credential-new-2"


@pytest.mark.fault(58)
def test_a_sweep_goes_on_with_a_new_key(server: ServerProcess, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a key expired the same call, with the environment changed and nothing restarted, sends what is left."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", OLD)
    engine = fake_engine(Settings(home=tmp_path))
    asked: dict[str, Any] = {"variables": {"word": list("abcdef")}, "concurrency": 1, "progress": "off"}
    server.control(times=3, delay_s=0)
    server.control(times=None, status=401)
    first = tk.sweep(make_prompt(), "openai/small", engine=engine, **asked)
    assert sorted(first.df["status"]) == ["failed", "ok", "ok", "ok", "skipped", "skipped"]
    assert len(server.requests()) == 4
    server.control(reset=True)
    monkeypatch.setenv("OPENAI_API_KEY", NEW)
    again = tk.sweep(make_prompt(), "openai/small", engine=engine, **asked)
    _sync.run(engine.aclose())
    assert list(again.df["status"]) == ["ok"] * 6
    assert [request["headers"]["authorization"] for request in server.requests()] == [f"Bearer {NEW}"] * 3
