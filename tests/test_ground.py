"""The ground floors: hashes, frozen records, secrets, errors, optional packages, plug-ins, settings."""

from __future__ import annotations

import copy
import math
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_outcome, make_prompt, make_trial
from toolkit import errors
from toolkit._canonical import canonical_json, content_hash
from toolkit._http import HttpClient
from toolkit._optional import require
from toolkit._plugins import load_plugin, unknown_name
from toolkit._records import FrozenDict, Message, Request
from toolkit._redact import Secret, redact, register_secret
from toolkit.config import Settings, load_yaml, normal_host
from toolkit.prompts import Sources

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": 2}, '{"a":2,"b":1}'),
        ([1.0, 1.5, -0.0, 1e20], "[1,1.5,0,100000000000000000000]"),
        (("é", "\ud800", "\x00"), '["\\u00e9","\\ud800","\\u0000"]'),
        ({"t": True, "n": None}, '{"n":null,"t":true}'),
    ],
)
def test_canonical_json_is_one_text(value, text):
    """Keys are sorted, integral floats are integers, and everything is ASCII."""
    assert canonical_json(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": {1, 2}}, {1: "a"}, object()])
def test_canonical_json_refuses_what_has_no_json_form(value):
    """NaN, infinities, sets, keys that are no text and foreign objects are refused, never guessed."""
    with pytest.raises((ValueError, TypeError)):
        canonical_json(value)


@given(JSON)
def test_equal_values_have_equal_hashes(value):
    """A value and its frozen copy have one hash, and a pickle comes back equal."""
    frozen = FrozenDict({"x": value})
    assert content_hash("x1", {"x": value}) == content_hash("x1", frozen)
    assert pickle.loads(pickle.dumps(frozen)) == frozen  # noqa: S301  our own bytes


def test_a_hash_is_the_same_on_any_day():
    """The hash of a request is pinned: changing what goes in must change the tag."""
    request = Request(
        provider="openai",
        model="gpt-4o-mini",
        messages=(Message(role="user", content="Hello"),),
        params=FrozenDict({"temperature": 0.0}),
    )
    # echo -n '{"messages":[{"content":"Hello","role":"user"}],"model":"gpt-4o-mini","params":{"temperature":0},
    # "provider":"openai"}' (one line) | sha256sum
    assert request.key == "r1:09070a8f588200595d19eb871b0f8e02"


def test_names_and_labels_stay_out_of_a_prompt_s_fingerprint():
    """Two versions with equal content have equal fingerprints; another template or config has another."""
    prompt = make_prompt("Hi {{a}}", config={"seed": 1})
    same = make_prompt("Hi {{a}}", config={"seed": 1.0}, prompt_id="other", version="9", labels=("x",))
    assert prompt.fingerprint == same.fingerprint
    assert prompt.fingerprint != make_prompt("Hi {{b}}", config={"seed": 1}).fingerprint
    assert prompt.fingerprint != make_prompt("Hi {{a}}", config={"seed": 2}).fingerprint


@pytest.mark.parametrize("record", [make_prompt(config={"a": [1, {"b": 2}]}), make_trial(), make_outcome()])
def test_records_are_frozen_and_travel(record):
    """A record cannot be changed, and comes back equal from a pickle and a deep copy."""
    with pytest.raises((AttributeError, TypeError)):
        record.version = "x"
    assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301  our own bytes
    assert copy.deepcopy(record) == record


@pytest.mark.parametrize("change", [lambda d: d.update(b=1), lambda d: d.pop("a"), lambda d: d.__setitem__("a", 1)])
def test_a_frozen_mapping_refuses_every_change(change):
    """A frozen mapping has no way to be written to, and its lists are tuples."""
    frozen = FrozenDict({"a": [1, 2]})
    with pytest.raises(TypeError, match="frozen"):
        change(frozen)
    assert frozen == {"a": (1, 2)}


def test_a_message_keeps_what_it_does_not_know():
    """Tool calls, null content and further keys of a message come back as they were."""
    wire = {"role": "assistant", "content": None, "tool_calls": ({"id": "1"},), "name": "bot"}
    assert Message.from_wire(wire).to_wire() == wire


def every_error():
    """One of each error class with its details."""
    details = {
        errors.MissingKeyError: {"variable": "OPENAI_API_KEY"},
        errors.UnknownNameError: {"name": "x", "known": ("a", "b")},
        errors.MissingDependencyError: {"extra": "local"},
        errors.StoreVersionError: {"found": 9, "supported": 3},
        errors.RateLimitError: {"retry_after_s": 7.0, "provider": "openai", "status": 429},
    }
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.ToolkitError):
            yield value("what happened", **details.get(value, {}))


@pytest.mark.parametrize("error", list(every_error()), ids=lambda error: type(error).__name__)
def test_errors_pickle_with_their_details(error):
    """Every error comes back from a pickle with its message and its details."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert (type(again), str(again), again.__dict__) == (type(error), "what happened", error.__dict__)


def test_every_error_stands_in_the_tree_of_the_module_s_caption():
    """The drawing at the top of errors.py names every class."""
    for error in every_error():
        assert type(error).__name__ in errors.__doc__


def test_a_secret_shows_itself_to_nobody():
    """A credential is in no repr, format, vars, pickle, copy or traceback, and can be asked for by name."""
    secret = Secret("value-that-nobody-sees")
    shown = [repr(secret), str(secret), f"{secret}", repr([secret]), repr(secret.reveal)]
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="never pickled"):
        copy.copy(secret)
    with pytest.raises(AttributeError):
        secret.reveal = lambda: "other"
    try:
        raise ValueError(secret)
    except ValueError:
        shown.append(traceback.format_exc())
    assert not any("value-that-nobody-sees" in text for text in shown)
    assert secret.reveal() == "value-that-nobody-sees"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Incorrect API key provided: sk-proj-abcdef1234567890.", "Incorrect API key provided: ****."),
        ("Authorization: Bearer abcdef.ghi-123", "Authorization: Bearer ****"),
        ("http://user:password@host/v1", "http://****@host/v1"),
        ("GET /x?api_key=abc&b=1", "GET /x?api_key=****&b=1"),
        ("pk-lf-1234567890ab and sk-lf-1234567890ab", "**** and ****"),
        ("a task-oriented risk-free sky", "a task-oriented risk-free sky"),
    ],
)
def test_what_looks_like_a_key_is_masked(text, shown):
    """Keys that services echo are masked by their shape; ordinary words are not."""
    assert redact(text) == shown


def test_a_registered_credential_is_masked_wherever_it_turns_up():
    """A value that was made a Secret is masked in any text, whatever its shape."""
    register_secret("plain words 123")
    assert redact("it said plain words 123!") == "it said ****!"


def test_a_missing_package_names_the_command():
    """An absent optional package raises an error with the pip command that brings it."""
    with pytest.raises(errors.MissingDependencyError, match=r"pip install 'promptsweep\[local\]'") as caught:
        require("no_such_package_here", extra="local", purpose="to run a model in this process")
    assert caught.value.extra == "local"


def test_an_unknown_plugin_lists_what_is_known():
    """A name that nobody offers raises an error with the nearest and all known names."""
    with pytest.raises(errors.UnknownNameError, match=r"no provider 'opnai'\. Did you mean 'openai'\? Known: local"):
        load_plugin("toolkit.none", "opnai", builtins={"openai": "x:y", "local": "x:y"}, what="provider")
    assert unknown_name("model", "zzz", []) == "There is no model 'zzz'. Known: none."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", r"f\.yaml, line 1: not valid YAML"),
        ("a: 1\nb: 2\na: 3", r"f\.yaml, line 3: the key 'a' stands twice"),
        ("!!python/object/apply:os.system [x]", "tag"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{n}: &{n} [*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p}]\n"
                for p, n in zip("abcdefg", "bcdefgh", strict=True)
            ),
            "aliases expand",
        ),
        ("x" * 1_000_001, "larger than"),
        ("a: \x01", "not valid YAML"),
    ],
    ids=["broken", "duplicate", "tag", "laughs", "large", "control"],
)
def test_hostile_yaml_is_refused_with_its_place(text, message):
    """Broken, duplicate, tagged, exploding, oversized and unprintable YAML each raise a ConfigError naming the file."""
    with pytest.raises(errors.ConfigError, match=message):
        load_yaml(text, where="f.yaml")


@pytest.mark.parametrize(
    ("host", "normal"),
    [("localhost:3000", "http://localhost:3000"), ("https://x.test/", "https://x.test"), (" a.b ", "http://a.b")],
)
def test_a_host_gets_a_scheme(host, normal):
    """A host without a scheme gets http, and a trailing slash is dropped."""
    assert normal_host(host) == normal


def test_langfuse_settings_come_from_the_environment():
    """Both keys make a Langfuse project, LANGFUSE_HOST before LANGFUSE_BASE_URL before the cloud."""
    keys = {"LANGFUSE_PUBLIC_KEY": "pk-lf-x", "LANGFUSE_SECRET_KEY": "sk-lf-y"}
    assert Settings.from_environment({}).langfuse is None
    assert Settings.from_environment(keys).langfuse.host == "https://cloud.langfuse.com"
    assert Settings.from_environment(keys | {"LANGFUSE_BASE_URL": "http://a"}).langfuse.host == "http://a"
    both = keys | {"LANGFUSE_BASE_URL": "http://a", "LANGFUSE_HOST": "b:3000"}
    assert Settings.from_environment(both).langfuse.host == "http://b:3000"
    assert "sk-lf-y" not in repr(Settings.from_environment(keys))


@pytest.mark.parametrize(("given", "unset"), [("PUBLIC", "secret"), ("SECRET", "public")])
def test_half_a_key_pair_is_told_when_langfuse_is_asked_for(given, unset, monkeypatch, tmp_path):
    """One Langfuse key without the other stops nothing that needs no Langfuse; asking it names what is missing."""
    for name in ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "LANGFUSE_HOST", "LANGFUSE_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"LANGFUSE_{given}_KEY", "half-of-a-pair")
    settings = Settings.from_environment()
    assert settings.langfuse is None
    with pytest.raises(errors.MissingKeyError, match=f"langfuse_{unset}_key is missing"):
        Sources(settings, HttpClient()).get("langfuse")
