"""toolkit doctor: what is configured, what works, and what to do about what does not."""

from __future__ import annotations

import argparse
from typing import Any


def add_doctor(commands: Any) -> None:
    """Adds the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "doctor",
        help="say what is configured and what to do about what does not work",
        description="Looks at config.yaml, prompt sources, providers, the run store, proxies, extras, prices and "
        "versions; no key is shown. The exit code is 1 when something that is configured does not work.",
    )
    parser.add_argument("--config", metavar="FILE", help="config.yaml with models and keys, as LiteLLM has it")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--check", action="store_true", help="also ask each provider that has a key; costs nothing")
    asked.add_argument("--offline", action="store_true", help="ask nobody, not even the prompt sources")
    parser.add_argument("--timeout", type=float, default=3.0, metavar="S", help="seconds that each has to answer")
    parser.set_defaults(run=run_doctor)


def run_doctor(options: argparse.Namespace) -> int:
    """Prints the check-up; returns 1 when something that is configured does not work.

    Raises:
        ConfigError: If the file of `--config` cannot be read.
        UsageError: If the time-out is not above 0.
    """
    # Here and not above: pandas comes with it, and the other commands need none.
    from toolkit._doctor import doctor
    from toolkit.config import Settings, read_config
    from toolkit.engine import Engine

    engine = None
    if options.config is not None:
        engine = Engine(Settings.from_environment(), config=read_config(options.config))
    found = doctor(check=True if options.check else False if options.offline else None, timeout_s=options.timeout,
                   engine=engine)  # fmt: skip
    print(found)
    return 0 if found.is_ok else 1
