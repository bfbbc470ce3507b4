"""Every warning that the package gives; `toolkit.errors` has them beside the errors."""

from __future__ import annotations


class MissingVariableWarning(UserWarning):
    """A placeholder has no value and stays in the text as written."""


class StoreWarning(UserWarning):
    """The run store works, but not in the way it is meant to."""


class ConfigWarning(UserWarning):
    """A settings file has a key that means nothing here."""


class UnusedVariableWarning(UserWarning):
    """A variable is given that no prompt of the sweep reads."""


class EvidenceWarning(UserWarning):
    """A label was moved and the evidence for it could not be written; the message says how to try again."""


class DriftWarning(UserWarning):
    """A prompt source no longer has what a run was planned with; the run goes on with its own copy."""


class LangfuseWarning(UserWarning):
    """Something could not be pushed to Langfuse while a run went on; the run itself is not touched by it."""


class LeftOutWarning(UserWarning):
    """Some of what was asked for as cases could not be made into cases; the message says how much, and why."""
