"""What config.yaml says of a model's limits holds for every call of the process, through the proxy as well."""

from __future__ import annotations

import concurrent.futures

import pytest

import toolkit as tk
from tests.servers._process import serving
from toolkit import _sync
from toolkit.config import Settings, parse_config
from toolkit.config._yaml import load_yaml
from toolkit.engine import Engine

CALLS = 4


def engine_of(tmp_path, base, limits):
    """An engine whose only model is limited."""
    text = (
        "model_list: [{model_name: a, litellm_params: "
        f"{{model: openai/m, api_base: '{base}/v1', api_key: key-123456, {limits}}}}}]"
    )
    config = parse_config(load_yaml(text, where="config.yaml"), where="config.yaml", environ={})
    return Engine(Settings(home=tmp_path), config=config)


@pytest.mark.line("5.18")
@pytest.mark.parametrize("is_streamed", [False, True])
def test_max_parallel_requests_holds_for_completions(tmp_path, is_streamed):
    """With max_parallel_requests of 1 four calls at once are answered one after the other, whole or streamed."""
    with serving("tests.servers.fake_openai") as server:
        engine = engine_of(tmp_path, server.url, "max_parallel_requests: 1")
        server.control(latency_ms=100)

        def call(number):
            answer = tk.completion("a", [{"role": "user", "content": str(number)}], engine=engine, stream=is_streamed)
            return len(list(answer)) if is_streamed else len(answer.choices)

        with concurrent.futures.ThreadPoolExecutor(CALLS) as pool:
            answered = list(pool.map(call, range(CALLS)))
        _sync.run(engine.aclose())
        assert min(answered) >= 1
        assert server.call("GET", "/_stats")["most_in_flight"] == 1
