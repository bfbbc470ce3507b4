"""Measures what config.yaml does: the cases of the table "config.yaml", each a file that a proxy is started with."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from measure_litellm_calls import CLIENT, DOTPROMPT
from measure_litellm_ground import MASTER_KEY, OTHER_KEYS, Ask, Contender, Ground, Proxy, Start, measured

KEYED = {"general_settings": {"master_key": MASTER_KEY}}
NO_LANGFUSE = {"LANGFUSE_HOST": "", "LANGFUSE_PUBLIC_KEY": "", "LANGFUSE_SECRET_KEY": ""}
WORD = {"messages": CLIENT, "prompt_variables": {"word": "x"}}
TONE = {"messages": CLIENT, "prompt_variables": {"tone": "t", "q": "?"}}
TEXT = f"""general_settings: {{master_key: {MASTER_KEY}}}
model_list:
- model_name: m
  litellm_params: {{model: openai/small, api_key: k}}
"""
LIMIT_MB = 4000


def deployment(name: str, model: str, **params: Any) -> dict[str, Any]:
    """One entry of model_list, with a key that tells it from the others."""
    return {"model_name": name, "litellm_params": {"model": model, "api_key": f"k-{name}", **params}}


PLAIN = deployment("openai-model", "openai/gpt-3.5-turbo")
CALL_PLAIN = {"model": "openai-model", "messages": CLIENT}


def others(at: Ground) -> dict[str, str]:
    """The second Langfuse, as a deployment names it."""
    return {"langfuse_public_key": OTHER_KEYS[0], "langfuse_secret": OTHER_KEYS[1], "langfuse_host": at.other.url}


def prompt(name: str, integration: str, **params: Any) -> dict[str, Any]:
    """One entry of `prompts`."""
    return {"prompt_id": name, "litellm_params": {"prompt_id": name, "prompt_integration": integration, **params}}


def served(name: str, *, calls: int = 60) -> Ask:
    """Finds out which models answer the calls of one name."""

    def ask(running: Proxy, at: Ground) -> str:
        statuses = collections.Counter(running.ask({"model": name, "messages": CLIENT}).status for _ in range(calls))
        models = collections.Counter(request["body"]["model"] for request in at.openai.requests())
        at.forget()
        return f"{calls} calls: {dict(statuses)}, upstream {dict(models)}"

    return ask


def at_once(name: str, *, calls: int = 4) -> Ask:
    """Finds out how many calls of one name are in flight at once."""

    def ask(running: Proxy, at: Ground) -> str:
        at.openai.control(latency_ms=500)
        with ThreadPoolExecutor(calls) as pool:
            answers = list(pool.map(lambda _: str(running.ask({"model": name, "messages": CLIENT})), range(calls)))
        at.openai.control(latency_ms=0)
        most = at.openai.call("GET", "/_stats")["most_in_flight"]
        at.forget()
        return f"most in flight {most}: {sorted(answers)}"

    return ask


def main_file(at: Ground) -> Start:
    """All that fits into one file that starts."""
    models = [
        PLAIN,
        deployment("managed", "langfuse/openai-model", prompt_id="text"),
        deployment("direct", "langfuse/gpt-4o", prompt_id="text"),
        deployment("alias-in-prompt", "langfuse/gpt-4o", prompt_id="alias"),
        deployment("version-2", "langfuse/gpt-4o", prompt_id="text", prompt_version=2),
        deployment("staging", "langfuse/gpt-4o", prompt_id="text", prompt_label="staging"),
        deployment("filled", "langfuse/gpt-4o", prompt_id="text", prompt_variables={"word": "of the file"}),
        deployment("half-filled", "langfuse/gpt-4o", prompt_id="chat", prompt_variables={"tone": "of the file"}),
        deployment("other-keys", "langfuse/gpt-4o", prompt_id="text", **others(at)),
        deployment("two-managed", "langfuse/openai-model", prompt_id="text"),
        deployment("two-managed", "langfuse/openai-model", prompt_id="text"),
        deployment("two-bare", "langfuse/gpt-4o", prompt_id="text", **others(at)),
        deployment("two-bare", "langfuse/gpt-4o", prompt_id="text", **others(at)),
        deployment("two-versions", "langfuse/gpt-4o", prompt_id="text", prompt_version=2),
        deployment("two-versions", "langfuse/gpt-4o", prompt_id="text", prompt_version=2),
        deployment("two-chat", "langfuse/gpt-4o", prompt_id="chat"),
        deployment("two-chat", "langfuse/gpt-4o", prompt_id="chat"),
        deployment("nine-to-one", "openai/small", weight=9),
        deployment("nine-to-one", "openai/large", weight=1),
        deployment("no-weights", "openai/small"),
        deployment("no-weights", "openai/large"),
        deployment("ignore-model", "langfuse/gpt-4o", prompt_id="model", ignore_prompt_manager_model=True),
        deployment("ignore-params", "langfuse/gpt-4o", prompt_id="chat", ignore_prompt_manager_optional_params=True),
        deployment("no-prefix", "openai/gpt-4o", prompt_id="text"),
        deployment("humanloop", "humanloop/gpt-4o", prompt_id="pr_1", humanloop_api_key="hl-test-key-123456"),
        deployment("params", "openai/small", temperature=0.2),
        deployment("misspelt", "openai/small", tempreature=0.2),
        deployment("unset", "openai/small", api_key="os.environ/NO_SUCH_NAME"),
        deployment("of-environ", "openai/small", api_key="os.environ/MY_KEY", stop=["os.environ/MY_KEY", "x"]),
        deployment("azure", "azure/chatgpt-v-2", api_base=at.openai.url, api_version="2024-06-01"),
        deployment("rpm", "openai/small", rpm=2),
        deployment("tpm", "openai/small", tpm=2),
        deployment("one-at-once", "openai/small", max_parallel_requests=1),
    ]
    words = (
        "managed direct alias-in-prompt version-2 staging filled other-keys two-managed two-bare two-versions "
        "ignore-model no-prefix"
    )
    asks: dict[str, Ask] = {name: {"model": name, **WORD} for name in words.split()}
    asks["filled, without variables"] = {"model": "filled", "messages": CLIENT}
    asks["half-filled"] = {"model": "half-filled", "messages": CLIENT, "prompt_variables": {"q": "of the request"}}
    asks |= {name: {"model": name, **TONE} for name in ("ignore-params", "two-chat")}
    asks |= {
        name: {"model": name, "messages": CLIENT}
        for name in ("humanloop", "params", "misspelt", "unset", "of-environ", "azure")
    }
    asks |= {name: served(name) for name in ("nine-to-one", "no-weights")}
    asks |= {name: served(name, calls=6) for name in ("rpm", "tpm")}
    asks["one-at-once"] = at_once("one-at-once")
    config = {**KEYED, "model_list": models, "modle_list": [], "litellm_settings": {"drop_parms": True}}
    return Start(title="one file", config=config, asks=asks, environ={"MY_KEY": "k-of-environ"})


def prompts_files(at: Ground) -> list[Start]:
    """Files with `prompts`: those that start in one file, and each of the others by itself."""
    folder = at.folder / "prompts"
    metadata = {"model": "gpt-4o", "temperature": 0.7, "max_tokens": 150}
    entries = [
        prompt("data", "dotprompt", prompt_data={"data": {"content": "Data {{word}}", "metadata": metadata}}),
        prompt("content", "dotprompt", dotprompt_content=DOTPROMPT),
        prompt("simple", "generic_prompt_management", api_base=at.generic.url, api_key="os.environ/GENERIC_KEY",
               provider_specific_query_params={"project_name": "p"}),
        prompt("ignored", "generic_prompt_management", api_base=at.generic.url, api_key="generic-test-key",
               ignore_prompt_manager_model=True, ignore_prompt_manager_optional_params=True),
    ]  # fmt: skip
    values = {"messages": CLIENT, "prompt_variables": {"word": "{other}", "other": "o"}}
    asks: dict[str, Ask] = {
        entry["prompt_id"]: {"model": "openai-model", "prompt_id": entry["prompt_id"], **values} for entry in entries
    }
    asks["content, own temperature"] = {"model": "openai-model", "prompt_id": "content", **WORD, "temperature": 0.1}
    asks["content of a managed name"] = {"model": "managed", "prompt_id": "content", **WORD}
    asks["unknown"] = {"model": "openai-model", "prompt_id": "nobody", **WORD}
    asks["no prompt_id"] = CALL_PLAIN
    models = [PLAIN, deployment("gpt-4o", "openai/gpt-4o"), deployment("gpt-4o-mini", "openai/gpt-4o-mini"),
              deployment("managed", "langfuse/gpt-4o", prompt_id="text")]  # fmt: skip
    langfuse = {"langfuse_public_key": "os.environ/LANGFUSE_PUBLIC_KEY",
                "langfuse_secret_key": "os.environ/LANGFUSE_SECRET_KEY", "langfuse_host": at.langfuse.url}  # fmt: skip
    # The tokens are made up.
    alone = [
        prompt("hello", "dotprompt", prompt_directory=str(folder)),
        prompt("text", "langfuse", **langfuse),
        prompt("pr_1", "humanloop", humanloop_api_key="hl-test-key-123456"),
        prompt("b", "bitbucket", bitbucket_workspace="w", bitbucket_repository="r", bitbucket_access_token="t"),  # noqa: S106
        prompt("g", "gitlab", gitlab_project="g/r", gitlab_access_token="t"),  # noqa: S106
        prompt("c", "custom"),
    ]
    hello: dict[str, Any] = {"model": "openai-model", "prompt_id": "hello", **WORD}
    return [
        Start(title="prompts", config={**KEYED, "model_list": models, "prompts": entries}, asks=asks,
              environ={"GENERIC_KEY": "generic-test-key"}),
        Start(
            title="prompts: the model is not in model_list",
            config={**KEYED, "model_list": [PLAIN], "prompts": [entries[1]]},
            asks={"content": {"model": "openai-model", "prompt_id": "content", **WORD}},
        ),
        Start(
            title="prompts: of global_prompt_directory",
            config={**KEYED, "litellm_settings": {"global_prompt_directory": str(folder)}, "model_list": models,
                    "prompts": [prompt("hello", "dotprompt")]},
            asks={"hello": hello, "hello, version 2": {**hello, "prompt_version": 2}},
        ),
        *(
            Start(
                title=f"prompts: {entry['litellm_params']['prompt_integration']} alone",
                config={**KEYED, "model_list": models, "prompts": [entry]},
                asks={entry["prompt_id"]: {"model": "openai-model", "prompt_id": entry["prompt_id"], **WORD}},
            )
            for entry in alone
        ),
    ]  # fmt: skip


def settings_files(at: Ground) -> list[Start]:
    """Files that say where prompts and keys are, for all of the proxy."""
    folder = str(at.folder / "prompts")
    models = [PLAIN, deployment("gpt-4o-mini", "openai/gpt-4o-mini"),
              deployment("hello", "dotprompt/gpt-4o", prompt_id="hello"),
              deployment("hello-2", "dotprompt/gpt-4o", prompt_id="hello", prompt_version=2)]  # fmt: skip
    langfuse = {"langfuse_public_key": "pk-lf-test", "langfuse_secret_key": "sk-lf-test",
                "langfuse_host": at.langfuse.url}  # fmt: skip
    managed = deployment("managed", "langfuse/gpt-4o", prompt_id="text")
    unset = [
        deployment("unset", "openai/small", api_key="os.environ/NO_SUCH_NAME"),
        {"model_name": "keyless", "litellm_params": {"model": "openai/small", "api_base": f"{at.openai.url}/v1"}},
    ]
    return [
        Start(
            title="global_prompt_directory",
            config={**KEYED, "litellm_settings": {"global_prompt_directory": folder}, "model_list": models},
            asks={
                "hello": {"model": "hello", **WORD},
                "hello, version 2 in the file": {"model": "hello-2", **WORD},
                "hello, version 2 in the body": {"model": "hello", **WORD, "prompt_version": 2},
                "a bare prompt_id": {"model": "openai-model", **WORD, "prompt_id": "hello"},
                "unknown": {"model": "hello", **WORD, "prompt_id": "nobody"},
            },
        ),
        Start(
            title="keys of the deployment alone",
            config={**KEYED, "model_list": [deployment("other", "langfuse/gpt-4o", prompt_id="text", **others(at))]},
            asks={"other": {"model": "other", **WORD}},
            environ=NO_LANGFUSE,
        ),
        Start(
            title="no provider's key in the environment",
            config={**KEYED, "model_list": [*unset, deployment("managed", "langfuse/keyless", prompt_id="text")]},
            asks={
                "unset": {"model": "unset", "messages": CLIENT},
                "key in the managed entry alone": {"model": "managed", **WORD},
            },
            environ={"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""},
        ),
        Start(
            title="keys in litellm_settings alone",
            config={**KEYED, "litellm_settings": langfuse, "model_list": [managed]},
            asks={"managed": {"model": "managed", **WORD}},
            environ=NO_LANGFUSE,
        ),
    ]


def other_files(at: Ground) -> list[Start]:
    """Files with the other settings for all of the proxy."""
    claude = deployment("claude", "anthropic/claude-3-5-sonnet-20241022", api_base=at.anthropic.url)
    keys: dict[str, Mapping[str, Any]] = {
        "sk-1234": {"general_settings": {"master_key": "sk-1234"}},
        "none": {},
        "unset": {"general_settings": {"master_key": "os.environ/NO_SUCH_NAME"}},
        "of the environment": {"general_settings": {"master_key": "os.environ/MY_KEY"}},
    }
    return [
        *(
            Start(
                title=f"drop_params: {value}",
                config={**KEYED, "litellm_settings": {"drop_params": value}, "model_list": [claude]},
                asks={"presence_penalty": {"model": "claude", "messages": CLIENT, "presence_penalty": 1}},
            )
            for value in (True, False)
        ),
        *(
            Start(
                title=f"master_key: {name}",
                config={**general, "model_list": [PLAIN]},
                asks={
                    name: {**CALL_PLAIN, "_headers": {"authorization": f"Bearer {key}" if key else ""}}
                    for name, key in {"the document's key": "sk-1234", "our key": MASTER_KEY, "no key": ""}.items()
                },
                environ={"MY_KEY": MASTER_KEY},
            )
            for name, general in keys.items()
        ),
        Start(
            title="router_settings",
            config={**KEYED, "router_settings": {"model_group_alias": {"a": "openai-model"}}, "model_list": [PLAIN]},
            asks={"its alias": {"model": "a", "messages": CLIENT}},
        ),
    ]


def hostile_files() -> list[Start]:
    """Files that are wrong, or meant to do harm."""
    call: dict[str, Ask] = {"m": {"model": "m", "messages": CLIENT}}
    again = "model_list:\n- model_name: n\n  litellm_params: {model: openai/large, api_key: k}\n"
    names = "".join(f"  NAME_{number}: {'x' * 190}\n" for number in range(10_500))
    laughs = "x0: &x0 {k: lol}\n" + "".join(
        f"x{level}: &x{level} {{{', '.join(f'k{number}: *x{level - 1}' for number in range(10))}}}\n"
        for level in range(1, 10)
    )
    return [
        Start(title="api_key twice", config=TEXT.replace("api_key: k", "api_key: k, api_key: k-second"), asks=call),
        Start(title="model_list twice", config=TEXT + again, asks=call),
        Start(title="2 MB", config=f"{TEXT}environment_variables:\n{names}", asks=call),
        Start(title="a tag that builds an object", config=f"{TEXT}x: !!python/object/apply:os.getpid []\n"),
        Start(title="a billion laughs", config=laughs + TEXT, asks=call, within_s=60, memory_mb=LIMIT_MB),
    ]


def measure_config(who: Contender, at: Ground, wanted: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yields each case's title, what the client saw, and what arrived."""
    starts = [main_file(at), *prompts_files(at), *settings_files(at), *other_files(at), *hostile_files()]
    yield from measured(who, at, starts, wanted)
