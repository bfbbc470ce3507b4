"""The rules by which a model's name finds its provider."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from toolkit import _sync
from toolkit._http import HttpClient
from toolkit.errors import MissingKeyError, UnknownNameError
from toolkit.providers import LocalProvider, Providers
from toolkit.providers._families import FAMILIES
from toolkit.testing import FakeProvider


def providers(environ: dict[str, str] | None = None, **options: Any) -> Providers:
    """A registry that reads no environment but this."""
    return Providers(HttpClient(), environ=environ or {}, **options)


@pytest.mark.parametrize(
    ("model", "identity", "sent"),
    [
        ("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("groq/llama-3.3-70b", "groq", "llama-3.3-70b"),
        ("openrouter/meta-llama/llama-3:free", "openrouter", "meta-llama/llama-3:free"),
        ("gpt-4o-mini", "openai", "gpt-4o-mini"),
        ("ft:gpt-4o-mini:acme::1", "openai", "ft:gpt-4o-mini:acme::1"),
        ("chatgpt-4o-latest", "openai", "chatgpt-4o-latest"),
        ("o1", "openai", "o1"),
        ("o4-mini", "openai", "o4-mini"),
        ("gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("azure/my-deployment", "azure", "my-deployment"),
        ("litellm/cohere/command-r", "litellm", "cohere/command-r"),
        ("hosted_vllm/m", "vllm", "m"),
        ("vllm/m", "vllm", "m"),
        ("local/smollm2-135m-instruct", "local", "smollm2-135m-instruct"),
    ],
)
def test_name_finds_its_provider(model: str, identity: str, sent: str) -> None:
    """The part before the first slash names the provider; bare names of known families find theirs."""
    provider, name = providers().find(model)
    assert (provider.identity, name) == (identity, sent)


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("opnai/gpt-4o", "'openai'"),
        ("llama3", "'ollama/llama3'"),
        ("smollm2-135m", "'local/smollm2-135m-instruct'"),
        ("claude", "anthropic"),
        ("openai", "provider/name"),
        ("openai/", "provider/name"),
        ("/gpt-4o", "provider/name"),
        ("", "provider/name"),
        ("ollama3", "Known providers: "),
    ],
)
def test_unknown_name_says_what_is_known(model: str, hint: str) -> None:
    """A name that is nobody's is an error that shows the nearest and everything known."""
    with pytest.raises(UnknownNameError) as raised:
        providers().find(model)
    assert hint in str(raised.value)
    assert "openai" in raised.value.known


def test_provider_is_made_once() -> None:
    """Two models of one provider share it."""
    found = providers()
    assert found.find("openai/a")[0] is found.find("openai/b")[0]


@pytest.mark.parametrize(
    ("environ", "model", "identity"),
    [
        ({"OPENAI_BASE_URL": "http://h:1/v1/"}, "openai/m", "openai@http://h:1/v1"),
        ({"OPENAI_API_BASE": "http://h:1"}, "openai/m", "openai@http://h:1"),
        ({"OPENAI_BASE_URL": "http://a", "OPENAI_API_BASE": "http://b"}, "openai/m", "openai@http://a"),
        ({"OPENAI_BASE_URL": "https://api.openai.com/v1/"}, "openai/m", "openai"),
        ({"OLLAMA_API_BASE": "http://h:11434"}, "ollama/m", "ollama@http://h:11434/v1"),
        ({"OLLAMA_API_BASE": "h:11434"}, "ollama/m", "ollama@http://h:11434/v1"),
        ({"HOSTED_VLLM_API_BASE": "http://h/v1"}, "vllm/m", "vllm@http://h/v1"),
        ({"GROQ_BASE_URL": "http://h/v1"}, "groq/m", "groq@http://h/v1"),
        ({"OPENAI_BASE_URL": ""}, "openai/m", "openai"),
        ({"ANTHROPIC_BASE_URL": "http://h:1/"}, "anthropic/m", "anthropic@http://h:1"),
        ({"ANTHROPIC_API_BASE": "http://h:1/v1"}, "anthropic/m", "anthropic@http://h:1"),
        ({"ANTHROPIC_BASE_URL": "https://api.anthropic.com/v1/messages"}, "anthropic/m", "anthropic"),
        ({"AZURE_API_BASE": "https://r.openai.azure.com/"}, "azure/m", "azure@https://r.openai.azure.com"),
    ],
)
def test_environment_moves_the_address(environ: dict[str, str], model: str, identity: str) -> None:
    """A family's base-URL variables move it, and its identity says so."""
    assert providers(environ).find(model)[0].identity == identity


def test_changed_address_is_another_provider() -> None:
    """A base URL that changes between two look-ups gives another provider, not the first again."""
    environ = {"OPENAI_BASE_URL": "http://a"}
    found = Providers(HttpClient(), environ=environ)
    first = found.find("openai/m")[0]
    environ["OPENAI_BASE_URL"] = "http://b"
    assert found.find("openai/m")[0].identity != first.identity


def test_key_of_the_environment_is_found_when_it_appears() -> None:
    """A key set after the provider was made counts from the next check on."""
    environ: dict[str, str] = {}
    provider, model = Providers(HttpClient(), environ=environ).find("openai/m")
    with pytest.raises(MissingKeyError):
        provider.check(model)
    environ["OPENAI_API_KEY"] = "planted-key-value"
    provider.check(model)


@pytest.mark.parametrize(
    ("model", "variable"), [("gemini/m", "GOOGLE_API_KEY"), ("together_ai/m", "TOGETHERAI_API_KEY")]
)
def test_every_key_variable_of_a_family_counts(model: str, variable: str) -> None:
    """Families whose key goes by several names take each of them."""
    provider, name = providers({variable: "planted-key-value"}).find(model)
    provider.check(name)


@pytest.mark.parametrize("name", ["ollama", "vllm", "lm_studio", "litellm_proxy"])
def test_own_servers_need_no_key(name: str) -> None:
    """Software that people run themselves may be asked without a key."""
    provider, model = providers().find(f"{name}/m")
    provider.check(model)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_family_is_complete(family: Any) -> None:
    """Each family has an address without a trailing slash, by https unless it is on this machine, and a key's name."""
    assert family.base_url.startswith(("https://", "http://localhost"))
    assert not family.base_url.endswith("/")
    assert family.key_variables
    assert len(family.url_variables) >= 2


def test_ready_made_providers_win() -> None:
    """A provider that is handed over wins over a built-in of the same name, and is known."""
    mine = FakeProvider(["hi"])
    found = providers(extra={"openai": mine, "mine": mine})
    assert found.find("openai/m") == (mine, "m")
    assert "mine" in found.known()


def test_known_names_are_sorted_and_whole() -> None:
    """Everything that may stand before the slash is known."""
    known = providers().known()
    assert known == sorted(known)
    names = "openai ollama hosted_vllm vllm groq together_ai mistral deepseek openrouter xai gemini fireworks_ai"
    more = "perplexity litellm_proxy lm_studio local anthropic azure litellm"
    assert {*names.split(), *more.split()} <= set(known)


def make_acme(*, http: HttpClient, environ: dict[str, str]) -> FakeProvider:
    """The factory of a plug-in."""
    assert isinstance(http, HttpClient)
    return FakeProvider([environ["ACME_GREETING"]])


def test_plug_in_is_called_with_client_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in's factory gets `http` and `environ`, once, and its name may stand before the slash."""
    entry = metadata.EntryPoint(name="acme", value=f"{__name__}:make_acme", group="toolkit.providers")
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: [entry] if group == entry.group else [])
    found = providers({"ACME_GREETING": "hi"})
    assert found.find("acme/m")[0] is found.find("acme/n")[0]
    assert "acme" in found.known()


def test_own_file_is_another_identity(tmp_path: Path) -> None:
    """A GGUF file has an identity of its own that follows its content, not its place."""
    first, second, other = tmp_path / "m.gguf", tmp_path / "deeper" / "m.gguf", tmp_path / "other.gguf"
    second.parent.mkdir()
    first.write_bytes(b"a" * 200_000)
    second.write_bytes(b"a" * 200_000)
    other.write_bytes(b"a" * 199_999 + b"b")
    found = providers()
    identities = [found.find(f"local/{file}")[0].identity for file in (first, second, other)]
    assert identities[0] == identities[1] != identities[2]
    assert identities[0].startswith("local@m-")


def test_rewritten_file_is_another_identity(tmp_path: Path) -> None:
    """A file that is written anew is another model, within one process too."""
    file = tmp_path / "m.gguf"
    file.write_bytes(b"a" * 1000)
    found = providers()
    before = found.find(f"local/{file}")[0].identity
    file.write_bytes(b"b" * 1001)
    assert found.find(f"local/{file}")[0].identity != before


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A GGUF file that is not there is an error that names its path."""
    provider, model = providers().find(f"local/{tmp_path}/none.gguf")
    with pytest.raises(UnknownNameError, match=r"none\.gguf"):
        provider.check(model)


def test_closing_closes_what_was_made() -> None:
    """After closing, a provider is made anew."""
    found = providers()
    first = found.find("local/smollm2-135m-instruct")[0]
    assert isinstance(first, LocalProvider)
    _sync.run(found.aclose())
    assert found.find("local/smollm2-135m-instruct")[0] is not first


def test_import_loads_no_adapter() -> None:
    """Importing the room loads neither the HTTP library nor numpy nor the local runtime."""
    code = "import sys, toolkit.providers; print([m for m in ('httpx', 'numpy', 'xllamacpp') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
