"""Cases out of what the proxy was really asked."""

from __future__ import annotations

import toolkit as tk
from tests.proxy.conftest import CONFIG, KEYS
from tests.proxy.running import proxy_command
from toolkit import _sync
from toolkit.config import Settings
from toolkit.engine import Engine


def test_what_the_proxy_was_asked_comes_back_as_cases(tmp_path, langfuse, upstream):
    """Variables of calls with a managed prompt are cases, read by another process while the proxy goes on."""
    environ = {**KEYS, "LANGFUSE_HOST": langfuse.url, "OPENAI_API_KEY": "sk-of-the-proxy"}
    with proxy_command(tmp_path, CONFIG.format(upstream=upstream.url), **environ) as running:
        for key in ("A", "B", "A"):
            running.post({"model": "my-langfuse-model", "prompt_variables": {"key": key}})
        running.ask("openai-model", "messages of its own")
        engine = Engine(Settings(home=tmp_path / "home"))
        frame = tk.from_traffic("greet", expected="output", engine=engine)
        _sync.run(engine.aclose())
    assert frame["key"].tolist() == ["B", "A"]
    assert frame["expected"].notna().all()
    assert list(frame.attrs["traffic"]["times"].values()) == [2]
