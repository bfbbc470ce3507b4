"""The public call for cases out of Langfuse: a dataset's items, or what production really asked of a prompt."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

from toolkit import _sync
from toolkit.engine import Engine, default_engine
from toolkit.errors import LangfuseError, UsageError
from toolkit.langfuse import DatasetCases, HeldDataset, dataset_cases, held_cases, project_settings
from toolkit.prompts import PromptReference
from toolkit.results import Frame, case_table, counted
from toolkit.sweep._case_picking import Redact, Sample, check_redact, check_sample, pick, redacted, shuffled
from toolkit.sweep._linked_cases import LinkedUse, forget, langfuse_client, linked_frame, read_linked
from toolkit.sweep._moments import Moment, moment_of
from toolkit.sweep._status_line import StatusLine, status_line

USUAL_SAMPLE = 100
"""Cases that are taken of a prompt's uses when nothing is said."""
USUAL_SINCE = "7d"
AT_MOST = 10_000


def from_langfuse(
    dataset: str | HeldDataset | None = None,
    *,
    prompt: str | PromptReference | None = None,
    version: Moment | None = None,
    metadata: Sequence[str] = (),
    since: Moment | None = None,
    until: Moment | None = None,
    sample: Sample | None = None,
    seed: int = 0,
    dedupe: bool = True,
    redact: Redact | None = None,
    expected: Literal["output"] | None = None,
    environment: str | None = None,
    at_most: int | None = AT_MOST,
    progress: Literal["auto", "off"] = "auto",
    engine: Engine | None = None,
) -> Frame:
    """Returns cases out of Langfuse, one row a case, for a sweep's `variables`.

    `dataset` gives the items of a dataset, oldest first: their input's keys as columns (`input` where the input is no
    map), `expected` from the expected output, `id` from the item. Archived items are left out. Where the inputs have an
    `id` of their own, the item's is in `item_id`, and where they have `expected`, the answer is in `expected_output`.

    `prompt` gives the variables that production really filled a prompt with: those of the generations that are linked
    to it, without those of experiments. They are taken from what the trace keeps of them, else from the recorded input,
    by the template of the linked version. A row whose variables are not certain is left out and counted, never
    guessed. The columns are `id` (the observation's, `use_id` where a variable is called so), the variables, and
    `expected` if asked for. Variables that come from an input are texts.

    `frame.attrs["langfuse"]` says where the cases are from, how many rows were read, matched and left out, and why.
    Pages are read one after the other, as fast as the server allows. What an interrupted call has read of a prompt's
    uses is kept in this process for an hour: the same call goes on from there.

    Args:
        dataset: Name of a dataset, or one that Langfuse's SDK has fetched; `None` = `prompt` says what is wanted.
        prompt: Such as `support-reply` or `support-reply@*` (any version), `support-reply@8`, `support-reply@3..7`,
            `support-reply@production` (the version that holds the label now).
        version: Of a dataset: the moment whose items are wanted; `None` = as they are now.
        metadata: Of a dataset: keys of the items' metadata that become columns; name them in the sweep's `labels`.
        since: Of a prompt: a moment, or how long ago; `None` = 7 days.
        until: Of a prompt: a moment, or how long ago; `None` = now.
        sample: Most cases, drawn by `seed`; `all` = every one; `None` = 100 of a prompt's, all of a dataset's.
        seed: The same seed draws the same cases.
        dedupe: Of a prompt: each set of variables once; `attrs` has how often it was used.
        redact: Called with the name of a variable and each text in it, returns the text to keep, before anything is
            kept; `None` = texts stay as they are.
        expected: Of a prompt: `output` = what was answered then is the expected answer; `None` = there is none.
        environment: Of a prompt: only this one; `None` = any, without experiments.
        at_most: Of a prompt: generations to read, newest first; `None` = all.
        progress: `auto` shows a line in a terminal or a cell; `off` shows nothing.
        engine: A configuration of its own; `None` = the environment's.

    Raises:
        UsageError: If the arguments contradict each other, or `redact` gives something else than text.
        MissingKeyError: If Langfuse's keys are not set.
        PromptNotFoundError: If there is no such prompt, version or label.
        LangfuseError: If there is no such dataset or no usable row, or if the server cannot be reached, refuses, or is
            too old.

    Example:
        >>> cases = from_langfuse(prompt="support-reply", since="7d", sample=100)    # doctest: +SKIP
        >>> sweep(["support-reply@production", "support-reply@9"], variables=cases)    # doctest: +SKIP
        >>> from_langfuse(dataset="reviews", metadata=["topic"])    # doctest: +SKIP
    """
    of_prompt = {"since": since, "until": until, "expected": expected, "environment": environment}
    _check(dataset, prompt, of_prompt=of_prompt, of_dataset={"version": version, "metadata": metadata or None})
    check_sample(sample, at_most)
    check_redact(redact)
    engine, now = engine or default_engine(), dt.datetime.now(dt.UTC)
    line = status_line(progress)
    if prompt is None:
        moment = None if version is None else moment_of(version, now=now, argument="version")
        read = _dataset(engine, dataset, version=moment, metadata=metadata, now=now, line=line)
        return _dataset_frame(read, sample=sample or "all", seed=seed, redact=redact)
    asked = LinkedUse(
        engine=engine,
        reference=prompt,
        since=USUAL_SINCE if since is None else since,
        until=until,
        environment=environment,
        at_most=at_most,
    )
    reading = read_linked(asked, now=now, line=line)
    drawn = USUAL_SAMPLE if sample is None else sample
    picked = pick(reading.found, sample=drawn, seed=seed, dedupe=dedupe, redact=redact, expected=expected)
    forget(asked)
    line.close(f"{reading.line}; {counted(len(picked.rows), 'case')} taken")
    return linked_frame(reading, picked, host=project_settings(engine.settings).host, sample=drawn, seed=seed)


def _check(dataset: Any, prompt: Any, *, of_prompt: dict[str, Any], of_dataset: dict[str, Any]) -> None:
    if (dataset is None) == (prompt is None):
        given = "both are given" if dataset is not None else "none is"
        raise UsageError(f"Cases come from `dataset` or from `prompt`; {given}, so give one of them.")
    foreign, other = (of_prompt, "prompt") if prompt is None else (of_dataset, "dataset")
    odd = [name for name, value in foreign.items() if value is not None]
    if odd:
        raise UsageError(f"{', '.join(f'`{name}`' for name in odd)} is said of `{other}`, which is not given.")
    if dataset is not None and isinstance(dataset, str) and not dataset.strip():
        raise UsageError(f"`dataset` is the name of a Langfuse dataset; got {dataset!r}.")
    if isinstance(of_dataset["metadata"], str):
        raise UsageError(f"`metadata` is a list of keys such as ['topic']; got {of_dataset['metadata']!r}.")
    expected = of_prompt["expected"]
    if expected not in (None, "output"):
        raise UsageError(f"`expected` is 'output' (what was answered then) or None; got {expected!r}.")


def _dataset(
    engine: Engine,
    dataset: str | HeldDataset | None,
    *,
    version: dt.datetime | None,
    metadata: Sequence[str],
    now: dt.datetime,
    line: StatusLine,
) -> DatasetCases:
    if not isinstance(dataset, str):
        if version is not None:
            raise UsageError("`version` is asked of the server; a dataset that is fetched already has its own.")
        return held_cases(dataset, metadata=metadata, now=now)
    client = langfuse_client(engine, line)
    read = _sync.run(
        dataset_cases(client, dataset, version=version, now=now, metadata=metadata, told=line.tell),
        on_tick=line.paint,
    )
    line.close(f"{counted(len(read.rows), 'item')} of the dataset {dataset!r}")
    return read


def _dataset_frame(read: DatasetCases, *, sample: Sample, seed: int, redact: Redact | None) -> Frame:
    if not read.rows:
        archived = f" (of {read.left_out['archived']}, all are archived)" if read.left_out else ""
        named = f"The dataset {read.origin['dataset']!r}"
        if read.origin["version"] is not None:
            raise LangfuseError(
                f"{named} had no items{archived} at {read.origin['version']}; give a later `version`, or none."
            )
        raise LangfuseError(f"{named} has no items{archived}; add some in Langfuse.")
    places = [str(place) for place in range(len(read.rows))]
    taken = places if sample == "all" else sorted(shuffled(places, seed)[:sample], key=int)
    rows = [
        {name: value if name == read.id_column else redacted(value, name, redact) for name, value in row.items()}
        for row in (read.rows[int(place)] for place in taken)
    ]
    counts = {"read": len(read.rows) + sum(read.left_out.values()), "left_out": read.left_out, "cases": len(rows)}
    return case_table(rows, attrs={"langfuse": {**read.origin, **counts}})
