"""Estimates tokens before anything is sent, with the band that the estimate was measured to keep."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit._records import Message
from toolkit.errors import UsageError

# What one of each costs in tokens: least, expected, most. The middle is a least-squares fit, the outer two enclose the
# vocabularies of the measurement (see `estimate_tokens`), which differ most for scripts that older ones knew badly.
_WEIGHTS: Mapping[str, tuple[float, float, float]] = {
    "word": (0.72, 0.9, 1.25),
    "letter beyond the sixth of a word": (0.2, 0.3, 0.45),
    "three digits": (1.0, 1.2, 1.4),
    "run of signs": (0.55, 0.75, 1.0),
    "line end": (1.4, 2.0, 2.4),
    "accented latin letter": (0.0, 0.4, 1.9),
    "cyrillic letter": (0.24, 0.45, 0.75),
    "greek, hebrew or arabic letter": (0.28, 0.65, 1.3),
    "kana": (0.48, 0.75, 1.0),
    "hangul syllable": (0.5, 0.8, 1.3),
    "han character": (0.45, 0.65, 1.2),
    "indic or thai letter": (0.28, 0.7, 1.9),
    "other character": (0.8, 1.5, 3.0),
}

_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "word": re.compile(r"[A-Za-z]+"),
    "letter beyond the sixth of a word": re.compile(r"(?<=[A-Za-z]{6})[A-Za-z]"),
    "three digits": re.compile(r"[0-9]{1,3}"),
    "run of signs": re.compile(r"[!-/:-@\[-`{-~]+"),
    "line end": re.compile(r"\n[ \t\n]*"),
    "accented latin letter": re.compile(r"[\u0080-\u024f\u1e00-\u1eff]"),
    "cyrillic letter": re.compile(r"[\u0400-\u052f]"),
    "greek, hebrew or arabic letter": re.compile(r"[\u0370-\u03ff\u0530-\u07ff]"),
    "kana": re.compile(r"[\u3040-\u30ff]"),
    "hangul syllable": re.compile(r"[\uac00-\ud7af]"),
    "han character": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
    "indic or thai letter": re.compile(r"[\u0900-\u0eff]"),
    "other character": re.compile(
        r"[^\x00-\u024f\u0370-\u07ff\u0900-\u0eff\u1e00-\u1eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]"
    ),
}

# What a chat's form adds to each message, and to the whole: role marks and the opening of the answer.
_MESSAGE = (2.0, 4.0, 8.0)
_CHAT = (0.0, 3.0, 25.0)

# An image or a file: from the smallest image of one provider to the largest of another.
_PART = (70.0, 1000.0, 5000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number of tokens that is not known exactly."""

    low: int
    expected: int
    high: int

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(low=self.low + other.low, expected=self.expected + other.expected, high=self.high + other.high)


def estimate_tokens(text_or_messages: str | Sequence[Message | Mapping[str, Any]]) -> Estimate:
    """Estimates how many tokens a text or a list of messages is, without any model's vocabulary.

    Counts words, digits, signs, line ends and letters by script, and weighs them.

    Measured on 2026-11-22 over 1,800 pieces of 200, 1,000 and 4,000 characters (English prose, Python, JavaScript,
    JSON, and interface texts in 20 languages): the true count was between `low` and `high` for 99.7 % of the pieces of
    1,000 characters or more with each of `cl100k_base`, `o200k_base` and the one vocabulary that Anthropic has
    published (Claude 2), and for 97 % of the shorter ones. For English and code `expected` was off by at most a third;
    for other scripts the truth can be half or twice of it. With the embedded model, whose vocabulary is small and
    English, texts in other languages were up to twice `expected`, some beyond `high`. Vocabularies that are not
    published, and what a provider adds for tools, were not measured.

    Args:
        text_or_messages: Text; or messages, as records or as maps in OpenAI's form. Tool calls count as the text of
            their JSON; every part that is not text counts as an image, between 70 and 5,000 tokens.

    Raises:
        UsageError: If it is neither.

    Example:
        >>> estimate_tokens("The quick brown fox jumps over the lazy dog.")
        Estimate(low=7, expected=9, high=13)
    """
    if isinstance(text_or_messages, str):
        return _rounded(_weigh(text_or_messages))
    if not isinstance(text_or_messages, Sequence):
        raise UsageError(f"Tokens are estimated of a text or of a list of messages; got {text_or_messages!r}.")
    total = _CHAT if text_or_messages else (0.0, 0.0, 0.0)
    for message in text_or_messages:
        if not isinstance(message, Message | Mapping):
            raise UsageError(f"A message is a record or a map such as {{'role': 'user', ...}}; got {message!r}.")
        wire = message.to_wire() if isinstance(message, Message) else message
        total = _sum(total, _MESSAGE)
        for name, value in wire.items():
            if name == "content" and isinstance(value, list | tuple):
                for part in value:
                    is_text = isinstance(part, Mapping) and isinstance(part.get("text"), str)
                    total = _sum(total, _weigh(part["text"]) if is_text else _PART)
            elif name not in ("role", "tool_call_id") and value is not None:
                total = _sum(total, _weigh(value if isinstance(value, str) else repr(value)))
    return _rounded(total)


_Weights = tuple[float, float, float]


def _weigh(text: str) -> _Weights:
    total: _Weights = (0.0, 0.0, 0.0)
    for name, pattern in _PATTERNS.items():
        found = sum(1 for _ in pattern.finditer(text))
        low, expected, high = _WEIGHTS[name]
        total = _sum(total, (found * low, found * expected, found * high))
    return total


def _sum(one: _Weights, other: _Weights) -> _Weights:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _rounded(total: _Weights) -> Estimate:
    return Estimate(low=math.floor(total[0]), expected=round(total[1]), high=math.ceil(total[2]))
