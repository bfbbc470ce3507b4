"""The toolkit command: one line per error, and exit codes that a script can read.

0 = done; 1 = something failed on the way (a provider, the store, a download); 2 = the command or its settings are
wrong and nothing was sent; 130 = interrupted, what had finished is kept.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from toolkit.cli._demo import add_demo
from toolkit.cli._doctor import add_doctor
from toolkit.cli._prompts import add_prompts
from toolkit.cli._proxy import add_proxy
from toolkit.cli._runs import add_runs
from toolkit.cli._sweep import add_sweep
from toolkit.errors import MissingVariablesError, ToolkitError, UsageError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    Args:
        arguments: Words after `toolkit`; `None` = those of the process.
    """
    parser = argparse.ArgumentParser(prog="toolkit", description="Compare prompt versions across models.")
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(title="commands", dest="command")
    add_demo(commands)
    add_doctor(commands)
    add_prompts(commands)
    add_proxy(commands)
    add_runs(commands)
    add_sweep(commands)
    options = parser.parse_args(arguments)
    if options.version:
        from importlib import metadata

        print(f"promptsweep {metadata.version('promptsweep')}")
        return 0
    if options.command is None:
        parser.print_help()
        return EXIT_USAGE
    try:
        code: int = options.run(options)
    except (UsageError, MissingVariablesError) as error:
        print(f"toolkit: {error}", file=sys.stderr)
        return EXIT_USAGE
    except ToolkitError as error:
        print(f"toolkit: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("toolkit: interrupted; what has finished is kept, the same command goes on from there", file=sys.stderr)
        return EXIT_INTERRUPTED
    return code
