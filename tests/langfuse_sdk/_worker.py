"""Runs scripts with the real Langfuse SDK: one JSON text a line comes in, what the script printed last goes out.

One process serves many scripts, because the SDK takes longer to load than a script to run; each has its own names.
"""

import contextlib
import datetime as dt
import io
import json
import sys
import textwrap
import traceback

from langfuse import Langfuse


def main() -> None:
    """Serves until stdin is closed."""
    client = Langfuse()
    # Major 4 has another name for the list of scores that both read.
    is_major_4 = hasattr(client.api, "scores_v3")
    list_scores = client.api.scores_v3.get_many_v3 if is_major_4 else client.api.scores.get_many
    for line in sys.stdin:
        client.clear_prompt_cache()
        given = {"client": client, "datetime": dt, "json": json, "list_scores": list_scores}
        given["long_ago"] = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(textwrap.dedent(json.loads(line)), given)  # noqa: S102  scripts of the tests beside this file
            answer = {"printed": json.loads(printed.getvalue().splitlines()[-1])}
        except Exception:  # noqa: BLE001  goes to the test that sent the script
            answer = {"failed": traceback.format_exc()}
        print(json.dumps(answer), flush=True)  # noqa: T201  the answer


if __name__ == "__main__":
    main()
