"""The rules of the model in this process; where the answer matters, the model is real."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.providers.builders import make_request
from toolkit import _sync
from toolkit._records import Request, Response
from toolkit.errors import (
    BadRequestError,
    ContextLengthError,
    MissingDependencyError,
    ModelNotFoundError,
    ProviderTimeoutError,
    UnknownNameError,
)
from toolkit.providers import LocalProvider

MODEL = "smollm2-135m-instruct"
ROOT = Path(__file__).parents[2]


def ask(text: str, **params: Any) -> Request:
    """A request to the embedded model."""
    return make_request(text, model=MODEL, provider="local", **params)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalProvider]:
    """The embedded model, fetched and loaded when the first rule needs it."""
    provider = LocalProvider()
    yield provider
    _sync.run(provider.aclose())


def complete(provider: LocalProvider, request: Request, *, timeout_s: float = 60.0) -> Response:
    """One whole answer."""
    return _sync.run(provider.complete(request, timeout_s=timeout_s))


@pytest.mark.model
def test_answer_is_real_and_the_same_at_temperature_0(local: LocalProvider) -> None:
    """At temperature 0 the same request has the same answer, whatever was asked between; tokens and cost are known."""
    request = ask("Name one colour.", temperature=0, max_tokens=12)
    first = complete(local, request)
    between = complete(local, ask("Name one colour of the sea, please.", temperature=0, max_tokens=3))
    assert complete(local, request).text == first.text != ""
    assert (between.finish_reason, between.usage.output_tokens) == ("length", 3)
    assert first.model == MODEL
    assert first.cost_usd == 0.0
    assert first.usage.input_tokens is not None
    assert first.usage.input_tokens > 5
    assert first.finish_reason in ("stop", "length")
    assert first.first_token_s is not None
    assert first.latency_s is not None
    assert 0 < first.first_token_s <= first.latency_s


@pytest.mark.model
def test_cancelled_generation_ends_at_once(local: LocalProvider) -> None:
    """A cancelled call gives control back at once, and the model is free for the next within a second."""

    async def give_up() -> float:
        await local.prepare(MODEL)
        answering = asyncio.create_task(local.complete(ask("word " * 2500, max_tokens=500), timeout_s=60))
        await asyncio.sleep(0.3)
        started = time.monotonic()
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        await local.prepare(MODEL)
        return time.monotonic() - started

    assert _sync.run(give_up()) < 2


@pytest.mark.model
def test_process_ends_cleanly_in_the_middle_of_an_answer() -> None:
    """A process whose main program ends while the model writes ends without a crash, within a few seconds."""
    program = (
        "import asyncio; from tests.providers.test_local import ask, MODEL; from toolkit import _sync\n"
        "from toolkit.providers import LocalProvider\n"
        "async def leave():\n"
        "    provider = LocalProvider()\n"
        "    await anext(provider.stream(ask('Tell a long story.', max_tokens=2000), timeout_s=60))\n"
        "_sync.run(leave())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.model
def test_long_answer_ends_at_the_deadline(local: LocalProvider) -> None:
    """An answer that takes longer than allowed is a timeout that keeps what had come."""
    _sync.run(local.prepare(MODEL))
    with pytest.raises(ProviderTimeoutError) as raised:
        complete(local, ask("Tell a long story.", max_tokens=500), timeout_s=0.8)
    assert raised.value.retryable
    assert raised.value.partial is not None


@pytest.mark.model
def test_long_prompt_is_a_context_error(local: LocalProvider) -> None:
    """A prompt longer than the model reads is refused with both numbers, before any work."""
    with pytest.raises(ContextLengthError, match=r"has 5\d\d\d tokens and the model reads 4096"):
        complete(local, ask("a " * 5000))


@pytest.mark.model
def test_value_that_the_runtime_refuses_is_named(local: LocalProvider) -> None:
    """A value that the runtime refuses is a bad request that names the parameter."""
    with pytest.raises(BadRequestError, match="temperature"):
        complete(local, ask("hi", temperature="warm"))


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"tools": [{"type": "function"}]}, "'tools'"),
        ({"logprobs": True, "reasoning_effort": "low"}, "'logprobs', 'reasoning_effort'"),
        ({"n": 2}, "'n' above 1"),
    ],
)
def test_param_without_effect_is_refused(params: dict[str, Any], named: str) -> None:
    """A parameter that the runtime does not honour is refused by name, not ignored."""
    with pytest.raises(BadRequestError, match=named):
        complete(LocalProvider(), ask("hi", **params))


@pytest.mark.parametrize(
    ("params", "limit"),
    [({}, 512), ({"max_tokens": None}, 512), ({"max_tokens": 7}, 7), ({"max_completion_tokens": 7}, None)],
)
def test_answer_without_a_limit_has_the_runtimes(params: dict[str, Any], limit: int | None) -> None:
    """An answer ends after 512 tokens when the request sets no limit of its own."""
    body = LocalProvider()._body(ask("hi", **params))
    assert body.get("max_tokens") == limit


def test_answers_do_not_depend_on_what_was_asked_before() -> None:
    """The runtime's prompt cache, which makes answers depend on earlier ones, is off."""
    assert LocalProvider()._body(ask("hi"))["cache_prompt"] is False


def test_unknown_embedded_model_names_the_nearest() -> None:
    """An embedded model that does not exist is an error with the nearest that does."""
    with pytest.raises(UnknownNameError, match=MODEL) as raised:
        LocalProvider().check("smollm2-135m")
    assert raised.value.known == (MODEL,)


def test_known_model_passes_the_check() -> None:
    """The embedded model passes the check without being fetched."""
    LocalProvider().check(MODEL)


def test_missing_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error is the command to type."""
    find_spec = importlib.util.find_spec

    def find_others(name: str, package: str | None = None) -> Any:
        return None if name == "xllamacpp" else find_spec(name, package)

    def refuse(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib.util, "find_spec", find_others)
    monkeypatch.setattr("toolkit._optional.importlib.import_module", refuse)
    with pytest.raises(MissingDependencyError, match=r"pip install 'promptsweep\[local\]'"):
        LocalProvider().check(MODEL)


def test_file_that_is_no_model_says_so(tmp_path: Path) -> None:
    """A file that is no GGUF model is an error that names it."""
    file = tmp_path / "bad.gguf"
    file.write_bytes(b"GGUF" + b"x" * 1000)
    provider = LocalProvider(file=file)
    with pytest.raises(ModelNotFoundError, match=r"bad\.gguf"):
        _sync.run(provider.prepare("bad.gguf"))
    _sync.run(provider.aclose())


@pytest.mark.line("6.10")
def test_local_model_is_local() -> None:
    """The engine is told that nothing leaves the process and that one call at a time makes sense."""
    capabilities = LocalProvider().capabilities
    assert (capabilities.is_local, capabilities.max_concurrency) == (True, 1)
