"""Which models the proxy serves: the names of config.yaml's model_list, and what a prompt's config may choose."""

from __future__ import annotations

import difflib
from typing import Any

from toolkit.engine import Engine, Way, config_model, follow
from toolkit.proxy._refusal import Refused


class ServedModels:
    """The names that clients may ask for.

    Args:
        engine: Its config.yaml says which.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._groups = engine.config.deployments if engine.config is not None else {}
        stands_for = [
            follow(deployment.model, None, draw=0.0).model
            for deployments in self._groups.values()
            for deployment in deployments
        ]
        self._chosen = {self._normal(name) for name in (*self._groups, *stands_for)}

    @property
    def names(self) -> list[str]:
        """In the file's order."""
        return list(self._groups)

    def listing(self, created: int) -> dict[str, Any]:
        """Returns the answer of `GET /v1/models`.

        Args:
            created: Seconds since 1970.
        """
        models = [{"id": name, "object": "model", "created": created, "owned_by": "toolkit"} for name in self._groups]
        return {"object": "list", "data": models}

    def check(self, model: str) -> None:
        """Does nothing when a client may ask for this model.

        Raises:
            Refused: 400 otherwise; the message lists what there is.
        """
        if model in self._groups:
            return
        near = difflib.get_close_matches(model, self._groups, n=1)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(map(repr, list(self._groups)[:20])) or "nothing: config.yaml has no model_list"
        raise Refused(400, f"There is no model {model[:200]!r} here.{guess} There is {known}.", param="model")

    def check_chosen(self, way: Way, alias: str) -> None:
        """Does nothing when the model is one of the config's.

        Prompts are data: whoever may write one may choose among the models of config.yaml, and no others.

        Raises:
            Refused: 400 otherwise.
        """
        sent = way.sent
        own = config_model(sent.prompt) if sent.prompt is not None and sent.model_source == "prompt" else None
        if sent.prompt is None or own is None or self._normal(own) in self._chosen:
            return
        raise Refused(
            400,
            f"The prompt {sent.prompt.reference!r} asks for the model {own[:200]!r}, which config.yaml does not have; "
            f"add it to model_list, or set ignore_prompt_manager_model: true for {alias!r}.",
            param="model",
        )

    def _normal(self, model: str) -> tuple[str | None, str]:
        """Provider and its name for the model, so that `gpt-4o` and `openai/gpt-4o` are one."""
        if model in self._groups:
            return None, model
        return self._engine.providers.name_of(model), model.partition("/")[2] or model
