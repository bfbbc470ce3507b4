"""YAML as plain data: no tags, no duplicate keys, capped in size and growth."""

from __future__ import annotations

from typing import Any

import yaml

from toolkit.errors import ConfigError

MAX_YAML_BYTES = 1_000_000

# A YAML alias repeats a subtree; nine levels of ten aliases would be a billion nodes.
_MAX_YAML_NODES = 100_000

# Python neither prints nor turns into a float what is much longer.
_MAX_DIGITS = 200


def load_yaml(text: str, *, where: str) -> Any:
    """Returns the plain data of one YAML document: mappings, lists, text, numbers, booleans and `None`.

    Args:
        text: The document; at most 1 MB.
        where: What is read (a path), for messages.

    Raises:
        ConfigError: If it is not YAML, uses tags that build objects, repeats a key, is too large, has a number of
            more than 200 digits, or grows without bound through aliases; the message names `where` and the line.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_YAML_BYTES:
        raise ConfigError(f"{where}: larger than {MAX_YAML_BYTES:,} bytes; settings and prompts are smaller than that.")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _check_node(node, where=where)
        return yaml.load(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise ConfigError(f"{where}, line {line}: not valid YAML: {error.problem or error.context}.") from error
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not valid YAML: {str(error).partition(chr(10))[0]}.") from error
    except (LookupError, AttributeError, TypeError) as error:
        # How PyYAML fails at `!!bool maybe`, `!!int ''`, `!!timestamp soon`.
        raise ConfigError(f"{where}: not valid YAML: a value is not of the type that its tag names.") from error


def _check_node(node: yaml.Node | None, *, where: str) -> None:
    """Refuses duplicate keys, endless numbers and documents whose aliases multiply beyond `_MAX_YAML_NODES`."""
    pending = [node] if node is not None else []
    seen = 0
    while pending:
        current = pending.pop()
        seen += 1
        if seen > _MAX_YAML_NODES:
            raise ConfigError(f"{where}: its aliases expand to more than {_MAX_YAML_NODES:,} values; refused.")
        if isinstance(current, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in current.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys and key.value != "<<":
                        line = key.start_mark.line + 1
                        raise ConfigError(f"{where}, line {line}: the key {key.value!r} stands twice; keep one.")
                    keys.add(key.value)
                pending += [key, value]
        elif isinstance(current, yaml.SequenceNode):
            pending += current.value
        elif current.tag == "tag:yaml.org,2002:int" and len(current.value) > _MAX_DIGITS:
            line = current.start_mark.line + 1
            raise ConfigError(f"{where}, line {line}: a number of more than {_MAX_DIGITS} digits; write it in quotes.")
