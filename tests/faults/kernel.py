"""A notebook's kernel, driven as a notebook drives it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).parents[2]


class Kernel:
    """A real IPython kernel in a process of its own."""

    def __init__(self, folder):
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.manager, self.client = start_new_kernel(kernel_name="python3", env=environment, cwd=str(folder))

    def begin(self, code):
        """Sends a cell and returns its message's id."""
        return self.client.execute(code, store_history=False)

    def end(self, message_id, *, timeout_s=60):
        """Waits for a cell's end and returns its reply."""
        while True:
            reply = self.client.get_shell_msg(timeout=timeout_s)
            if reply["parent_header"].get("msg_id") == message_id:
                return reply["content"]

    def value(self, expression):
        """The JSON value of an expression in the kernel."""
        message_id = self.client.execute(
            "import json", user_expressions={"it": f"json.dumps({expression})"}, store_history=False
        )
        shown = self.end(message_id)["user_expressions"]["it"]
        assert shown["status"] == "ok", shown
        text = shown["data"]["text/plain"]
        return json.loads(text[1:-1].encode().decode("unicode_escape"))

    def run(self, code):
        """Runs a cell to its end, which must be a good one."""
        reply = self.end(self.begin(code))
        assert reply["status"] == "ok", reply

    def stop(self):
        """Ends the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
