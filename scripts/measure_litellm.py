"""Measures what LiteLLM does, line by line: the column "LiteLLM does" of docs/compatibility.md.

    python -m venv peers && peers/bin/pip install 'litellm[proxy]' prisma 'langfuse>=4.7,<5'
    python scripts/measure_litellm.py peers/bin/python

Makes calls with LiteLLM and starts its proxy in that Python, against servers on loopback, and prints for each case what
the caller saw and what arrived at the servers. `--toolkit` puts the toolkit through the same cases instead; `--only
calls` makes one part of the measurements, and `--case WORDS` those whose title has these words.
All of it takes minutes: LiteLLM's proxy is started once for each file. Linux only.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from measure_litellm_calls import GENERIC, OTHERS, PROMPTS, filled, measure_calls, write_files
from measure_litellm_config import measure_config
from measure_litellm_ground import Contender, Ground, ground
from measure_litellm_proxy import measure_proxy

Part = Callable[[Contender, Ground, str], Iterator[tuple[str, str, list[str]]]]
PARTS: dict[str, Part] = {"calls": measure_calls, "config": measure_config, "proxy": measure_proxy}
VERSIONS = "from importlib.metadata import version as v; print('litellm', v('litellm') + ', langfuse', v('langfuse'))"


def main() -> int:
    """Runs the parts and prints a table of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", help="one that has litellm[proxy], prisma and langfuse")
    parser.add_argument("--toolkit", action="store_true", help="measure this checkout instead")
    parser.add_argument("--only", choices=sorted(PARTS), help="one part")
    parser.add_argument("--case", default="", help="only cases whose title has these words")
    asked = parser.parse_args()
    # Whoever ends this ends the proxy and the servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    python = str(Path(asked.python).absolute())
    who = Contender(module="litellm", python=python)
    if asked.toolkit:
        who = Contender(module="toolkit", python=sys.executable)
    print("toolkit" if asked.toolkit else subprocess.check_output([python, "-c", VERSIONS], text=True).strip())
    for name, part in PARTS.items():
        if asked.only in (None, name):
            print(f"\n## {name}\n\n| case | the caller saw | what arrived |\n| --- | --- | --- |", flush=True)
            measure(who, part, asked.case)
    return 0


def measure(who: Contender, part: Part, wanted: str) -> None:
    """Runs one part on servers of its own and prints a row for each case."""
    with tempfile.TemporaryDirectory() as folder, ground(Path(folder)) as at:
        at.langfuse.control(seed=filled(PROMPTS, at))
        at.other.control(seed=OTHERS)
        at.generic.control(seed=GENERIC)
        write_files(at.folder)
        for title, seen, arrived in part(who, at, wanted):
            cells = [title, seen, "<br>".join(arrived) or "nothing"]
            shown = [cell.replace("|", "\\|").replace("\n", " ") for cell in cells]
            print(f"| {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
