"""Measures `completion` and `acompletion`: the cases of the table "The call"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure_litellm_ground import OTHER_KEYS, Contender, Ground

CLIENT = [{"role": "user", "content": "CLIENT"}]
CHAT = [{"role": "system", "content": "Be {{tone}}."}, {"role": "user", "content": "{{q}}"}]
HISTORY = [{"type": "placeholder", "name": "history"}, {"role": "user", "content": "{{q}}"}]
ODD = '{{word}} {word} {{ word }} {{{word}}} {{größe}} {{a-b}} {{self}} {{none}} {{number}} {{nested}} {"a": 1}'

PROMPTS: list[dict[str, Any]] = [
    {"name": "text", "type": "text", "prompt": "Say {{word}}.", "labels": ["production"]},
    {"name": "text", "type": "text", "prompt": "Please say {{word}}.", "labels": ["staging"]},
    {"name": "chat", "type": "chat", "prompt": CHAT, "labels": ["production"],
     "config": {"temperature": 0.7, "max_tokens": 50, "owner": "team-a"}},
    {"name": "history", "type": "chat", "prompt": HISTORY, "labels": ["production"]},
    {"name": "model", "type": "text", "prompt": "Hi", "labels": ["production"], "config": {"model": "gpt-4o-mini"}},
    {"name": "alias", "type": "text", "prompt": "Hi", "labels": ["production"], "config": {"model": "openai-model"}},
    {"name": "odd", "type": "text", "prompt": ODD, "labels": ["production"]},
    {"name": "team/a b?#", "type": "text", "prompt": "Named {{word}}.", "labels": ["production"]},
    {"name": "whole", "type": "text", "prompt": "@@@langfusePrompt:name=text|label=production@@@ Now.",
     "labels": ["production"]},
    {"name": "hostile", "type": "text", "prompt": "Hi", "labels": ["production"],
     "config": {"api_base": "ELSEWHERE", "api_key": "k-of-the-prompt", "headers": {"x-evil": "1"}}},
]  # fmt: skip
OTHERS = [{"name": "text", "type": "text", "prompt": "Other {{word}}.", "labels": ["production"]}]
DOTPROMPT = """---
model: gpt-4o-mini
temperature: 0.3
max_tokens: 20
owner: team-a
---
System: Be kind.

User: Say {{word}}.
"""
FILES = {
    "plain.prompt": "---\ntemperature: 0.3\n---\nSay {{word}}.\n",
    "hello.prompt": DOTPROMPT,
    "hello.v2.prompt": DOTPROMPT.replace("kind", "brief"),
}
GENERIC: list[dict[str, Any]] = [
    {
        "prompt_id": "simple",
        "prompt_template": [{"role": "user", "content": "Help {word} with {{word}} and {other}."}],
        "prompt_template_model": "gpt-4o-mini",
        "prompt_template_optional_params": {"temperature": 0.7},
    },
]
GENERIC.append({**GENERIC[0], "prompt_id": "ignored"})

WORD = {"prompt_id": "text", "prompt_variables": {"word": "a"}}
ONE: dict[str, Any] = {
    "model": "managed",
    "_models": [{"model_name": "managed", "litellm_params": {"model": "langfuse/gpt-3.5-turbo"}}],
}
OTHER: dict[str, Any] = {
    "model_name": "other",
    "litellm_params": {
        "model": "langfuse/gpt-3.5-turbo",
        "langfuse_public_key": OTHER_KEYS[0],
        "langfuse_secret": OTHER_KEYS[1],
        "langfuse_host": "OTHER",
    },
}
ODD_VALUES = {"word": "a", "größe": "g", "a-b": "h", "self": "s", "none": None, "number": 1.5, "nested": "{{word}}"}

CASES: dict[str, dict[str, Any]] = {
    "text prompt, client messages": {**WORD, "messages": CLIENT},
    "text prompt, client messages, acompletion": {**WORD, "messages": CLIENT, "_how": "acompletion"},
    "text prompt, no messages": WORD,
    "text prompt, messages []": {**WORD, "messages": []},
    "chat prompt with params": {"prompt_id": "chat", "prompt_variables": {"tone": "t", "q": "?"}, "messages": CLIENT},
    "chat prompt with params, acompletion": {
        "prompt_id": "chat", "prompt_variables": {"tone": "t", "q": "?"}, "_how": "acompletion", "messages": CLIENT,
    },
    "chat prompt with params, caller's temperature": {
        "prompt_id": "chat", "prompt_variables": {"tone": "t", "q": "?"}, "temperature": 0.1, "messages": [],
    },
    "chat prompt, ignore its params": {
        "prompt_id": "chat", "prompt_variables": {"tone": "t", "q": "?"}, "messages": [],
        "ignore_prompt_manager_optional_params": True,
    },
    "model in the config": {"prompt_id": "model", "messages": []},
    "model in the config, ignore it": {"prompt_id": "model", "messages": [], "ignore_prompt_manager_model": True},
    "version 2": {**WORD, "messages": [], "prompt_version": 2},
    "version 2, acompletion": {**WORD, "messages": [], "prompt_version": 2, "_how": "acompletion"},
    "label staging": {**WORD, "messages": [], "prompt_label": "staging"},
    "version and label": {**WORD, "messages": [], "prompt_version": 1, "prompt_label": "staging"},
    "unknown prompt": {"prompt_id": "nobody", "messages": []},
    "unknown version": {**WORD, "messages": [], "prompt_version": 9},
    "unknown label": {**WORD, "messages": [], "prompt_label": "nobody"},
    "missing variable": {"prompt_id": "text", "messages": []},
    "odd names, braces and values": {"prompt_id": "odd", "prompt_variables": ODD_VALUES, "messages": []},
    "odd names without self": {
        "prompt_id": "odd", "prompt_variables": {k: v for k, v in ODD_VALUES.items() if k != "self"}, "messages": [],
    },
    "message placeholder": {
        "prompt_id": "history", "messages": [],
        "prompt_variables": {"history": [{"role": "user", "content": "x {{q}}"}], "q": "?"},
    },
    "placeholder: tool calls, null content": {
        "prompt_id": "history", "messages": [],
        "prompt_variables": {
            "q": "?",
            "history": [
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "r"}]},
            ],
        },
    },
    "placeholder not given": {"prompt_id": "history", "prompt_variables": {"q": "?"}, "messages": []},
    "placeholder not a list": {
        "prompt_id": "history", "prompt_variables": {"q": "?", "history": "text"}, "messages": [],
    },
    "prompt with / and ? in its name": {"prompt_id": "team/a b?#", "prompt_variables": {"word": "a"}, "messages": []},
    "composed prompt": {"prompt_id": "whole", "prompt_variables": {"word": "a"}, "messages": []},
    "hostile config": {"prompt_id": "hostile", "messages": []},
    "prompt_id without a prefix": {"model": "gpt-3.5-turbo", "prompt_id": "text", "messages": CLIENT},
    "a prefix without prompt_id": {"messages": CLIENT},
    "an unknown bare model": {"model": "no-such-model", "messages": CLIENT},
    "streamed": {**WORD, "messages": [], "stream": True},
    "streamed, acompletion": {**WORD, "messages": [], "stream": True, "_how": "acompletion"},
    "fallback after a 400": {
        **WORD, "messages": CLIENT, "model": "langfuse/gpt-3.5-turbo", "fallbacks": ["gpt-4o-mini"], "max_retries": 0,
    },
    "fallback after a 400, with the prefix": {
        **WORD, "messages": CLIENT, "fallbacks": ["langfuse/gpt-4o-mini"], "max_retries": 0,
    },
    "a 500 of the provider": {**WORD, "messages": []},
    "keys in the call": {
        **WORD, "messages": [], "langfuse_public_key": OTHER_KEYS[0], "langfuse_secret": OTHER_KEYS[1],
        "langfuse_host": "OTHER",
    },
    "keys in the call, langfuse_secret_key": {
        **WORD, "messages": [], "langfuse_public_key": OTHER_KEYS[0], "langfuse_secret_key": OTHER_KEYS[1],
        "langfuse_host": "OTHER",
    },
    "only a host in the call": {**WORD, "messages": [], "langfuse_host": "OTHER"},
    "os.environ/NAME as a key": {**WORD, "messages": [], "langfuse_secret": "os.environ/LANGFUSE_SECRET_KEY",
                                 "langfuse_public_key": "pk-lf-test", "langfuse_host": "OTHER"},
    "api_base in the call": {**WORD, "messages": [], "api_base": "ELSEWHERE"},
    "dotprompt": {"model": "dotprompt/gpt-3.5-turbo", "prompt_id": "hello", "prompt_variables": {"word": "a"},
                  "messages": CLIENT, "_set": {"global_prompt_directory": "FOLDER"}},
    "dotprompt version 2": {"model": "dotprompt/gpt-3.5-turbo", "prompt_id": "hello", "prompt_version": 2,
                            "prompt_variables": {"word": "a"}, "messages": [],
                            "_set": {"global_prompt_directory": "FOLDER"}},
    "dotprompt without roles": {"model": "dotprompt/gpt-3.5-turbo", "prompt_id": "plain", "messages": [],
                                "prompt_variables": {"word": "a"}, "_set": {"global_prompt_directory": "FOLDER"}},
    "dotprompt, missing variable": {"model": "dotprompt/gpt-3.5-turbo", "prompt_id": "plain", "messages": [],
                                    "_set": {"global_prompt_directory": "FOLDER"}},
    "humanloop": {"model": "humanloop/gpt-3.5-turbo", "prompt_id": "pr_1", "messages": [],
                  "humanloop_api_key": "hl-test-key-123456"},
    "set_verbose": {**WORD, "messages": [], "_set": {"set_verbose": True}},
    "the same prompt twice": {**WORD, "messages": [], "_again": True},
    "router: client messages": {**WORD, "messages": CLIENT, **ONE},
    "router: client messages, acompletion": {**WORD, "messages": CLIENT, **ONE, "_how": "acompletion"},
    "router: chat prompt with params, acompletion": {
        "prompt_id": "chat", "prompt_variables": {"tone": "t", "q": "?"}, "messages": [], **ONE, "_how": "acompletion",
    },
    "router: version 2, acompletion": {**WORD, "messages": [], "prompt_version": 2, **ONE, "_how": "acompletion"},
    "router: label staging, acompletion": {
        **WORD, "messages": [], "prompt_label": "staging", **ONE, "_how": "acompletion",
    },
    "router: keys of the deployment": {**WORD, "messages": [], "model": "other", "_models": [OTHER]},
    "router: keys of the deployment, acompletion": {
        **WORD, "messages": [], "model": "other", "_models": [OTHER], "_how": "acompletion",
    },
    "router: two of one name": {**WORD, "messages": [], "model": "other", "_models": [OTHER, OTHER]},
    "router: two of one name, acompletion": {
        **WORD, "messages": [], "model": "other", "_models": [OTHER, OTHER], "_how": "acompletion",
    },
    # The last, as its faults may not all be used up.
    "a 500 of Langfuse": {"prompt_id": "text", "messages": []},
}  # fmt: skip


def filled(value: Any, at: Ground) -> Any:
    """The same with the servers' addresses and the folder in place of ELSEWHERE, OTHER and FOLDER."""
    if isinstance(value, dict):
        return {key: filled(item, at) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, at) for item in value]
    if not isinstance(value, str):
        return value
    folder = str(at.folder / "prompts")
    return value.replace("ELSEWHERE", at.elsewhere).replace("OTHER", at.other.url).replace("FOLDER", folder)


def write_files(folder: Path) -> None:
    """Puts the `.prompt` files down."""
    (folder / "prompts").mkdir()
    for name, text in FILES.items():
        (folder / "prompts" / name).write_text(text, encoding="utf-8")


def measure_calls(who: Contender, at: Ground, wanted: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yields each case's title, what the caller saw, and what arrived."""
    with who.calls(at, TOOLKIT_PROMPTS=str(at.folder / "prompts")) as call:
        for title, case in CASES.items():
            if wanted not in title:
                continue
            at.forget()
            if title.startswith("fallback after a 400"):
                at.openai.control(status=400, times=1)
            if title == "a 500 of the provider":
                at.openai.control(status=500, times=None)
            if title == "a 500 of Langfuse":
                at.langfuse.control(next=[{"status": 500}] * 20)
            arguments = filled({"model": "langfuse/gpt-3.5-turbo"} | case, at)
            if who.module == "toolkit":
                arguments.get("_set", {}).pop("global_prompt_directory", None)
            seen = call(arguments)
            yield title, ", ".join(f"{name}: {value}" for name, value in seen.items()), at.arrived()
