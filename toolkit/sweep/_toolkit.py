"""Several configurations side by side: each `Toolkit` has its own config.yaml, store, prompts and connections."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolkit import _sync
from toolkit.config import Settings, read_config
from toolkit.engine import Engine, acompletion, completion, with_traces
from toolkit.results import DriftReport, Results
from toolkit.sweep._drifting import drift
from toolkit.sweep._live import Run
from toolkit.sweep._opened import open_run, runs
from toolkit.sweep._plan import Plan
from toolkit.sweep._resume import resume
from toolkit.sweep._sweep import asweep, plan, start_sweep, sweep


class Toolkit:
    """One configuration: the calls of the package, bound to it.

    Args:
        config: A config.yaml; `None` = the environment alone.
        home: Folder of its run store; `None` = `TOOLKIT_HOME`, else `.toolkit`.
        prompts: Folder of its `.prompt` files; `None` = what config.yaml says, else `TOOLKIT_PROMPTS`, else `prompts`.
        langfuse: Whether its completions are traced in Langfuse; `None` = what config.yaml says.

    Raises:
        ConfigError: If the file cannot be read or says something impossible.

    Example:
        >>> staging = Toolkit("staging.yaml", home=".toolkit-staging")    # doctest: +SKIP
        >>> staging.completion("my-model", [{"role": "user", "content": "Hello"}])    # doctest: +SKIP
    """

    def __init__(
        self,
        config: str | Path | None = None,
        *,
        home: str | Path | None = None,
        prompts: str | Path | None = None,
        langfuse: bool | None = None,
    ) -> None:
        settings = Settings.from_environment()
        if home is not None:
            settings = replace(settings, home=Path(home))
        read = read_config(config) if config is not None else None
        if prompts is not None:
            settings = replace(settings, prompts_folder=Path(prompts))
            read = replace(read, prompt_directory=None) if read is not None else None
        self.engine = Engine(settings, config=with_traces(read, langfuse))

    def completion(self, *arguments: Any, **options: Any) -> Any:
        """As `toolkit.completion`."""
        return completion(*arguments, engine=self.engine, **options)

    def acompletion(self, *arguments: Any, **options: Any) -> Coroutine[Any, Any, Any]:
        """As `toolkit.acompletion`."""
        return acompletion(*arguments, engine=self.engine, **options)

    def plan(self, *arguments: Any, **options: Any) -> Plan:
        """As `toolkit.plan`."""
        return plan(*arguments, engine=self.engine, **options)

    def sweep(self, *arguments: Any, **options: Any) -> Results:
        """As `toolkit.sweep`."""
        return sweep(*arguments, engine=self.engine, **options)

    def asweep(self, *arguments: Any, **options: Any) -> Coroutine[Any, Any, Results]:
        """As `toolkit.asweep`."""
        return asweep(*arguments, engine=self.engine, **options)

    def start_sweep(self, *arguments: Any, **options: Any) -> Run:
        """As `toolkit.start_sweep`."""
        return start_sweep(*arguments, engine=self.engine, **options)

    def resume(self, run_id: str, **options: Any) -> Results:
        """As `toolkit.resume`."""
        return resume(run_id, engine=self.engine, **options)

    def drift(self, run: str | Results, **options: Any) -> DriftReport:
        """As `toolkit.drift`."""
        return drift(run, engine=self.engine, **options)

    def runs(self) -> list[str]:
        """As `toolkit.runs`."""
        return runs(engine=self.engine)

    def open_run(self, run_id: str) -> Results:
        """As `toolkit.open_run`."""
        return open_run(run_id, engine=self.engine)

    def close(self) -> None:
        """Commits what waits and closes connections, models and files."""
        _sync.run(self.engine.aclose())

    def __enter__(self) -> Toolkit:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
