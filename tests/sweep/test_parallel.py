"""config.yaml's `max_parallel_requests` (completion.md section 5)."""

from __future__ import annotations

import pytest

import toolkit as tk
from tests.builders import CountingProvider, make_prompt
from toolkit import _sync
from toolkit.config import Settings, parse_config
from toolkit.config._yaml import load_yaml
from toolkit.testing import fake_engine


@pytest.mark.line("5.18")
def test_a_deployment_s_parallel_requests_are_kept(tmp_path):
    """With max_parallel_requests: 2 a sweep has never more than two calls of that model in flight."""
    provider = CountingProvider(["ok"])
    text = "model_list: [{model_name: a, litellm_params: {model: fake/m, max_parallel_requests: 2}}]"
    config = parse_config(load_yaml(text, where="c"), where="c", environ={})
    engine = fake_engine(Settings(home=tmp_path), providers=[provider], config=config)
    results = tk.sweep(make_prompt(), "a", {"word": list("abcdefgh")}, concurrency=8, engine=engine, progress="off")
    _sync.run(engine.aclose())
    assert list(results.df["status"]) == ["ok"] * 8
    assert provider.most == 2
