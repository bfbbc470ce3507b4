"""What a production application leaves in the fake Langfuse: prompts, and generations that are linked to them."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from tests.servers._process import ServerProcess
from tests.servers.fake_langfuse import AUTHORIZATION, PUBLIC_KEY, SECRET_KEY
from toolkit._redact import Secret
from toolkit.config import LangfuseSettings, Settings
from toolkit.engine import Engine

OBSERVATIONS = "/api/public/v2/observations"
HEADERS = {"authorization": AUTHORIZATION}


def engine_of(server: ServerProcess, home: Path, **settings: Any) -> Engine:
    """A configuration whose Langfuse is the fake."""
    keys = LangfuseSettings(host=server.url, public_key=PUBLIC_KEY, secret_key=Secret(SECRET_KEY))
    return Engine(Settings(home=home / "home", prompts_folder=home / "prompts", langfuse=keys, **settings))


def hold(server: ServerProcess, name: str, *templates: Any) -> None:
    """Gives the fake a prompt, a template a version; the first holds `production`."""
    server.control(
        seed=[
            {
                "name": name,
                "type": "text" if isinstance(template, str) else "chat",
                "prompt": template,
                "labels": ["production"] if place == 0 else [],
            }
            for place, template in enumerate(templates)
        ]
    )


def generation(number: int, sent: Any, *, prompt: str = "reply", version: int = 1, **more: Any) -> dict[str, Any]:
    """A linked generation as OTLP writes it, `number` seconds old.

    Args:
        number: Its age, and its id.
        sent: What the model was sent; what is no text is written as JSON.
        prompt: Name that it is linked to.
        version: Of the prompt.
        **more: `output`, `metadata` (a map), `environment`, `kind` (`generation`), `age_s`.
    """
    began = dt.datetime.now(dt.UTC).timestamp() - more.get("age_s", number)
    said: dict[str, Any] = {
        "langfuse.observation.type": more.get("kind", "generation"),
        "langfuse.observation.prompt.name": prompt,
        "langfuse.observation.prompt.version": version,
    }
    for name, value in (("input", sent), ("output", more.get("output"))):
        if value is not None:
            said[f"langfuse.observation.{name}"] = value if isinstance(value, str) else json.dumps(value)
    for key, value in more.get("metadata", {}).items():
        said[f"langfuse.observation.metadata.{key}"] = value if isinstance(value, str) else json.dumps(value)
    if "environment" in more:
        said["langfuse.environment"] = more["environment"]
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "answer",
        "startTimeUnixNano": str(int(began * 1e9)),
        "endTimeUnixNano": str(int(began * 1e9) + 5_000_000),
        "attributes": [
            {"key": key, "value": {"intValue": value} if isinstance(value, int) else {"stringValue": value}}
            for key, value in said.items()
        ],
    }


def send(server: ServerProcess, *spans: dict[str, Any]) -> None:
    """Has the fake take generations."""
    body = {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}
    server.call("POST", "/api/public/otel/v1/traces", body, headers=HEADERS | {"x-langfuse-ingestion-version": "4"})


def dataset(server: ServerProcess, name: str, *items: dict[str, Any]) -> None:
    """Gives the fake a dataset; items are as they are posted, without the dataset's name."""
    server.call("POST", "/api/public/v2/datasets", {"name": name}, headers=HEADERS)
    for item in items:
        server.call("POST", "/api/public/dataset-items", {"datasetName": name, **item}, headers=HEADERS)


def asked(server: ServerProcess, beginning: str = OBSERVATIONS) -> list[str]:
    """The paths of the requests that begin so, oldest first."""
    return [
        each["path"] for each in server.requests() if each["path"].startswith(beginning) and each["method"] == "GET"
    ]
