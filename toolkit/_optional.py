"""Imports an optional package when first needed, or says which extra to install and why."""

from __future__ import annotations

import importlib
from types import ModuleType

from toolkit.errors import MissingDependencyError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Returns the imported `module`.

    Args:
        module: Import name, such as `pyarrow`.
        extra: The extra of this distribution that brings it.
        purpose: What needs it, as the end of "... is needed".

    Raises:
        MissingDependencyError: If it is not installed; the message is the command to type.

    Example:
        >>> require("json", extra="none", purpose="to show this").__name__
        'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"The package {module!r} is needed {purpose} and is not installed; run: pip install 'promptsweep[{extra}]'",
            extra=extra,
        ) from error
