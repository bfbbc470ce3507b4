"""Each public call as a user would write it: mypy checks this file, nobody runs it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

import toolkit as tk


def shorter(outcome: tk.Outcome, case: tk.Case) -> float:
    """A scorer of one's own: a function of the outcome and its case."""
    return 1.0 if len(outcome.text) < len(str(case.variables["question"])) else 0.0


def plain() -> tk.Results:
    """A sweep in plain code, over each form that variables take."""
    frame = pd.DataFrame({"question": ["a"], "expected": ["b"]})
    plan: tk.Plan = tk.plan("reply@*", "openai/gpt-4o-mini", frame, params={"temperature": 0})
    count: int = plan.trials
    tk.sweep(["reply@1", "reply@production"], ["openai/gpt-4o-mini"], [{"question": "a"}], repeats=count)
    tk.sweep("reply", variables={"question": ["a", "b"]}, params=[{"temperature": 0}, {"temperature": 1}])
    tk.sweep("reply", variables=Path("cases.csv"), expected="gold", progress="off")
    prompt = tk.Prompt(prompt_id="reply", version="1", kind="text", template="{{question}}", source="memory")
    return tk.sweep(prompt, "openai/gpt-4o-mini", "cases.jsonl", baseline="reply@1", concurrency=4, timeout_s=30)


def managed() -> list[dict[str, object]]:
    """A prompt got, compared, written back, labelled and listed."""
    reply = tk.prompt("support-reply@production")
    newer = reply.push(template="Be kind. {{question}}", labels=["staging"], commit_message="Kinder.")
    changes: str = reply.diff(newer)
    names: tuple[str, ...] = newer.variables
    move = newer.label("production")
    before: str | None = move.previous
    move.rollback()
    tk.refresh()
    listed: pd.DataFrame = tk.prompts("reply", source="langfuse")
    tk.sweep([reply, newer, "support-reply@2"], variables=listed, baseline=changes + str(before))
    apart = tk.prompt(name="odd@name", source="folder", version=3)
    return apart.render(dict.fromkeys(names, "b"), question="a")


async def awaited() -> pd.DataFrame:
    """A sweep in asynchronous code."""
    results = await tk.asweep("reply", "openai/gpt-4o-mini", "cases.csv")
    return results.df


def read(results: tk.Results) -> Path:
    """What results offer."""
    scored: tk.Results = results.score(tk.contains("refund"), tk.exact(), tk.regex(r"\d+"), shorter)
    tables: list[pd.DataFrame] = [scored.df, scored.wide(), scored.summary(), scored.compare(), scored.failures]
    assert tables
    verdict: str = scored.verdict
    ok: bool = scored.audit().ok
    assert verdict
    assert ok
    scored.raise_for_failures()
    again: tk.Results = tk.open_run(tk.runs()[-1])
    return again.export("out.csv", safe=False)
