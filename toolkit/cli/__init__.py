"""The `toolkit` command."""

from toolkit.cli._main import main

__all__ = ["main"]
