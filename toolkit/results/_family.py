"""Which models are of one family, by their names: a judge tends to favour answers of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from toolkit._records import Arm

# Words in the names of models, and the maker whose family they are of.
_MAKERS = {
    "OpenAI": "gpt chatgpt o codex davinci",
    "Anthropic": "claude",
    "Google": "gemini gemma palm",
    "Meta": "llama codellama",
    "Mistral": "mistral mixtral ministral codestral magistral pixtral devstral",
    "Alibaba": "qwen qwq",
    "DeepSeek": "deepseek",
    "xAI": "grok",
    "Cohere": "command aya",
    "Microsoft": "phi",
    "Amazon": "nova titan",
}
_KNOWN = {word: maker for maker, words in _MAKERS.items() for word in words.split()}


def family(model: str) -> str:
    """Returns whose family a model is of: its maker where its name tells, else the first word of the name.

    Example:
        >>> family("openai/gpt-4o-mini"), family("openai/o3-mini"), family("bedrock/anthropic.claude-sonnet-4")
        ('OpenAI', 'OpenAI', 'Anthropic')
        >>> family("local/smollm2-135m-instruct")
        'smollm'
    """
    words = re.findall(r"[a-z]+", model.rpartition("/")[2].lower())
    return next((_KNOWN[word] for word in words if word in _KNOWN), words[0] if words else "")


def relatives(judge: Iterable[str], arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Returns the arms whose model is of a judge's family.

    Args:
        judge: The judge's model by all its names: as asked for, and as it stands on the wire.
        arms: What is judged.
    """
    own = {family(name) for name in judge} - {""}
    return tuple(arm for arm in arms if own & {family(arm.model), family(arm.model_sent)})
