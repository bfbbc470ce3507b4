"""The public call that looks at everything that is configured, and says what to do about what does not work."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
import os

from toolkit import _sync
from toolkit._doctor._checkup import Checkup, Finding
from toolkit._doctor._config import look_at_config
from toolkit._doctor._machine import look_at_extras, look_at_network, look_at_prices, look_at_versions
from toolkit._doctor._services import look_at_providers, look_at_sources
from toolkit._doctor._store import look_at_store
from toolkit.engine import Engine, default_engine
from toolkit.errors import ConfigError, UsageError


def doctor(*, check: bool | None = None, timeout_s: float = 3.0, engine: Engine | None = None) -> Checkup:
    """Returns what is configured and whether it works, with what to do for each line that fails.

    Looks at config.yaml, prompt sources, providers, the run store, the way to the network, extras, prices and
    versions. No key is ever shown, and nothing is written.

    Args:
        check: Who is asked over the network: `None` = the prompt sources that are configured; `True` = also every
            provider that has a key, for its list of models, which costs nothing; `False` = nobody.
        timeout_s: Seconds that each of them has to answer.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If `timeout_s` is not above 0.

    Example:
        >>> doctor().is_ok    # doctest: +SKIP
        True
    """
    if not 0 < timeout_s < math.inf:
        raise UsageError(f"`timeout_s` is a number of seconds above 0; got {timeout_s!r}.")
    if engine is None:
        try:
            engine = default_engine()
        except ConfigError as error:
            refused = Finding(topic="config", name="environment", state="fail", text=str(error), remedy="correct it.")
            return Checkup(findings=(*look_at_versions(), refused, *look_at_extras()))
    return _sync.run(_look(engine, check=check, timeout_s=timeout_s))


async def _look(engine: Engine, *, check: bool | None, timeout_s: float) -> Checkup:
    sources, providers, store = await asyncio.gather(
        look_at_sources(engine, environ=os.environ, ask=check is not False, timeout_s=timeout_s),
        look_at_providers(engine, environ=os.environ, ask=check is True, timeout_s=timeout_s),
        asyncio.to_thread(look_at_store, engine),
    )
    today = dt.datetime.now(dt.UTC).date()
    return Checkup(
        findings=(
            *look_at_versions(),
            *look_at_config(engine),
            *sources,
            *providers,
            *store,
            *look_at_network(),
            look_at_prices(today),
            *look_at_extras(),
        )
    )
