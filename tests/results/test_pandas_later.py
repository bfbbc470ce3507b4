"""pandas is loaded when it is needed, or while a sweep waits for its first answers."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


@pytest.mark.parametrize(
    ("code", "is_loaded"),
    [
        ("toolkit.start_sweep, toolkit.plan", False),
        ("toolkit.prompts", False),
        ("from toolkit.results import load_soon; load_soon(); wait()", True),
        ("from toolkit.results import to_frame; from toolkit.results._pandas import pd; pd.DataFrame", True),
    ],
)
def test_pandas_is_loaded_no_sooner_than_it_is_needed(code, is_loaded):
    """Naming what sweeps and plans loads no pandas; a first use does, and `load_soon` on a thread."""
    program = textwrap.dedent(
        """
        import sys, threading, toolkit
        def wait():
            for thread in threading.enumerate():
                if thread.name == "toolkit-pandas":
                    assert not thread.daemon
                    thread.join(60)
        {code}
        print("pandas" in sys.modules)
        """
    ).format(code=code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(is_loaded)]
