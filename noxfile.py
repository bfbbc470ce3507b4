"""Runs what speaks with Langfuse beside the real SDK of each major that the package takes: `make test-langfuse`."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


@nox.session
@nox.parametrize("sdk", [nox.param("langfuse==4.18.*", id="4.18"), nox.param("langfuse>=5,<6", id="5")])
def langfuse(session: nox.Session, sdk: str) -> None:
    """Drives the fake server with the SDK, and reads with the SDK what the package wrote and the other way round."""
    session.install("--quiet", "--no-compile", "-e", ".", sdk, "hypothesis>=6.100", "pytest>=8.2")
    session.run("python", "-c", "from importlib.metadata import version; print('langfuse', version('langfuse'))")
    places = session.posargs or ["tests/langfuse_sdk", "tests/prompts/test_langfuse_sdk.py"]
    session.run("python", "-m", "pytest", "-q", *places)
