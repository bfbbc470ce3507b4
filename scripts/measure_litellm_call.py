"""Makes calls with a module that has LiteLLM's `completion`, and says as JSON what their caller saw.

    python scripts/measure_litellm_call.py litellm <<< '{"model": "langfuse/gpt-4o", "prompt_id": "greet"}'

Runs in the Python of the module that is measured, so it needs nothing but that. One line in is one call. Beside the
call's own arguments: `_how` is `completion` or `acompletion`; `_set` are attributes to set on the module first;
`_models` is a `model_list`, of a `Router` where the module has one, else of a config.yaml; `_again` makes it twice.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any


def caller(module: Any, models: list[dict[str, Any]] | None) -> Any:
    """What has `completion` and `acompletion`: the module, or its router."""
    if models is None:
        return module
    if hasattr(module, "Router"):
        return module.Router(model_list=models, num_retries=0)
    path = Path("models.yaml")
    path.write_text(json.dumps({"model_list": models}), encoding="utf-8")
    module.configure(path)
    return module


def made(module: Any, arguments: dict[str, Any], how: str) -> tuple[str, str, int | None]:
    """Text and model of the answer, and the number of chunks when it was streamed."""
    if how == "acompletion":
        return asyncio.run(made_in_a_loop(module, arguments))
    answer = module.completion(**arguments)
    if not arguments.get("stream"):
        return answer.choices[0].message.content, answer.model, None
    chunks = list(answer)
    return text_of(chunks), chunks[-1].model, len(chunks)


async def made_in_a_loop(module: Any, arguments: dict[str, Any]) -> tuple[str, str, int | None]:
    """The same with `acompletion`."""
    answer = await module.acompletion(**arguments)
    if not arguments.get("stream"):
        return answer.choices[0].message.content, answer.model, None
    chunks = [chunk async for chunk in answer]
    return text_of(chunks), chunks[-1].model, len(chunks)


def text_of(chunks: list[Any]) -> str:
    """What a stream says in all."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def outcome(module: Any, case: dict[str, Any]) -> dict[str, Any]:
    """What the caller of one case saw: text, model and chunks, or the error; and what was warned."""
    how = case.pop("_how", "completion")
    for name, value in case.pop("_set", {}).items():
        setattr(module, name, value)
    models, is_made_twice = case.pop("_models", None), case.pop("_again", False)
    before = copy.deepcopy(case)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            target = caller(module, models)
            for _ in range(2 if is_made_twice else 1):
                text, model, chunks = made(target, case, how)
            seen: dict[str, Any] = {"text": text, "model": model}
            seen |= {"chunks": chunks} if chunks is not None else {}
        except Exception as error:  # noqa: BLE001  whatever it is, it is the outcome
            seen = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
    warned = sorted({entry.category.__name__ for entry in caught if "rompt" in str(entry.message)})
    return seen | ({"warned": warned} if warned else {}) | ({"arguments": "changed"} if case != before else {})


def outcome_and_log(module: Any, case: dict[str, Any]) -> dict[str, Any]:
    """The outcome, and the request as the module printed it, if it did."""
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        seen = outcome(module, case)
        sys.stdout.flush()
        sys.stderr.flush()
        printed.seek(0)
        _, request, rest = printed.read().decode("utf-8", "replace").partition("POST Request Sent")
    return seen | ({"printed": (request + rest)[:300]} if request else {})


def main() -> int:
    """Makes the call of each line in a fork of its own, which has the module but nothing of the calls before."""
    module = importlib.import_module(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.write(writing, json.dumps(outcome_and_log(module, json.loads(line))).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as told:
            print(told.read() or json.dumps({"error": "the process ended"}), flush=True)
        os.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
