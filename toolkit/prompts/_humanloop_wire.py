"""What Humanloop's prompts mean, from its interface and from its `.prompt` files: model, params, tools, messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from toolkit._records import CHAT_PARAMS, Prompt, PromptInfo, TemplateFormat
from toolkit.prompts._remote import Question, Service, field, make_prompt, mapping, moment

SERVICE = Service(
    title="Humanloop", source="humanloop", address="HUMANLOOP_BASE_URL", keys="HUMANLOOP_API_KEY and HUMANLOOP_BASE_URL"
)

# Where our name for a provider differs from Humanloop's.
_PROVIDERS = {"openai_azure": "azure", "google": "gemini"}

# What belongs to the prompt and not to a request; everything else in an answer is about the file and changes by itself.
_METADATA = ("endpoint", "attributes", "other")


def config_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns model, params and metadata of a Humanloop prompt, in the words of chat completions.

    `provider` and `model` become `provider/model`; tools get the form that providers take. `max_tokens` of -1, empty
    lists and what is not set are left out, because they ask for nothing. An integer `reasoning_effort` is a budget of
    tokens, which chat completions do not know; it stays metadata.
    """
    config: dict[str, Any] = {}
    model = model_of(fields)
    if model is not None:
        config["model"] = model
    for name in sorted(CHAT_PARAMS - {"tools", "stream", "stream_options"}):
        value = fields.get(name)
        if value is None or value in ("", [], {}) or (name == "max_tokens" and value == -1):
            continue
        if name == "reasoning_effort" and not isinstance(value, str):
            config["reasoning_budget_tokens"] = value
            continue
        config[name] = value
    tools = [_tool(tool) for key in ("tools", "linked_tools") for tool in fields.get(key) or () if _is_tool(tool)]
    if tools:
        config["tools"] = tools
    config |= {name: fields[name] for name in _METADATA if fields.get(name) not in (None, {}, [])}
    return config


def model_of(fields: Mapping[str, Any]) -> str | None:
    """Returns the model in our naming.

    Example:
        >>> model_of({"model": "gpt-4o", "provider": "openai_azure"}), model_of({"model": "gpt-4o"})
        ('azure/gpt-4o', 'gpt-4o')
    """
    model, provider = fields.get("model"), fields.get("provider")
    if not isinstance(model, str) or not model:
        return None
    if not isinstance(provider, str) or not provider:
        return model
    provider = _PROVIDERS.get(provider, provider)
    return model if model.startswith(f"{provider}/") else f"{provider}/{model}"


def format_of(fields: Mapping[str, Any]) -> TemplateFormat:
    """Returns how the template's variables are written: Jinja where the prompt says so."""
    return "jinja2" if fields.get("template_language") in ("jinja", "jinja2") else "humanloop"


def read_prompt(answer: Any, question: Question) -> Prompt:
    """Returns the prompt of a `GET /prompts/{id}` answer; its version is Humanloop's `version_id`.

    Raises:
        PromptSourceError: If a field is missing or of a wrong type.
    """
    fields = mapping(answer, question, "the answer")
    template = fields.get("template")
    kind: Literal["text", "chat"] = "text" if isinstance(template, str) else "chat"
    if isinstance(template, dict):
        template = [template]
    if not isinstance(template, str | list):
        raise question.malformed("'template' is neither a text, a message nor a list of messages")
    if isinstance(template, list):
        template = [mapping(message, question, "a message") for message in template]
    environments = [entry for entry in fields.get("environments") or () if isinstance(entry, dict)]
    return make_prompt(
        question,
        version=field(fields, "version_id", str, question),
        kind=kind,
        template=template,
        labels=tuple(str(entry["name"]) for entry in environments if "name" in entry),
        config=config_of(fields),
        template_format=format_of(fields),
    )


def read_info(record: Any, question: Question) -> PromptInfo:
    """Returns one entry of a `GET /prompts` answer; raises as `read_prompt`."""
    prompt = read_prompt(record, question)
    return PromptInfo(
        prompt_id=field(record, "id", str, question),
        source=SERVICE.source,
        kind=prompt.kind,
        versions=(prompt.version,),
        labels=prompt.labels,
        tags=tuple(tag for tag in record.get("tags") or () if isinstance(tag, str)),
        updated_at=moment(record.get("updated_at")),
        config=prompt.config,
    )


def _is_tool(tool: Any) -> bool:
    return isinstance(tool, dict) and (isinstance(tool.get("name"), str) or "function" in tool)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if "function" in tool:
        return dict(tool)
    known = {name: tool[name] for name in ("name", "description", "parameters", "strict") if tool.get(name) is not None}
    return {"type": "function", "function": known}
