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
    draft: str = tk.push_prompt("support-reply", "Brief. {{question}}", message="brief", run=tk.last_results()).version
    tk.refresh()
    listed: pd.DataFrame = tk.prompts("reply", source="langfuse")
    tk.sweep([reply, newer, "support-reply@2"], variables=listed, baseline=changes + str(before) + draft)
    apart = tk.prompt(name="odd@name", source="folder", version=3)
    return apart.render(dict.fromkeys(names, "b"), question="a")


async def awaited() -> pd.DataFrame:
    """A sweep in asynchronous code."""
    results = await tk.asweep("reply", "openai/gpt-4o-mini", "cases.csv")
    live = await tk.start_sweep("reply", "openai/gpt-4o-mini", "cases.csv", unknown="skip", offline="snapshot")
    return pd.concat([results.df, live.df])


def background(run: tk.Run) -> tk.Results:
    """A sweep that goes on meanwhile, one that is gone on with, and what there is to ask about it."""
    done: int = run.progress.done
    left_s: float | None = run.progress.eta_s
    spent_usd: float | None = run.progress.by_arm["a"].done + (run.progress.spent_usd or 0.0)
    if done and left_s and spent_usd and not run.is_done:
        run.stop().wait(timeout_s=5.0)
    again: tk.Results = tk.resume(run.run_id, unknown="skip", budget_usd=1.0)
    reason: str = again.explain(case=0, arm=0).reason
    if again.check_drift() or reason:
        return tk.last_results()
    return run.results


def judged(results: tk.Results) -> tk.Results:
    """Every kind of scorer, a function with a name of its own, and both kinds of judges."""

    @tk.scorer(name="brief", lower_is_better=True)
    def words(text: str) -> int:
        return len(text.split())

    results.score(
        tk.one_of(["yes", "no"]),
        tk.numeric(0.1, relative=0.01, pick="first"),
        tk.json_valid(fenced=True),
        tk.json_schema({"type": "object"}),
        tk.json_path("$.a", 1),
        tk.edit_similarity(),
        tk.rouge_l("a"),
        tk.bleu(["a", "b"]),
        tk.semantic(model="openai/text-embedding-3-small"),
        tk.length("tokens", at_most=50),
        tk.latency(at_most_s=2),
        tk.cost(),
        words,
        again=True,
    )
    grade = tk.judge("Polite.", model="openai/gpt-4o", scale=["no", "yes"], params={"temperature": 0}, budget_usd=1.0)
    return results.score(grade, tk.judge_pairs("Better.", model="openai/gpt-4o", baseline="reply@1", people="vote"))


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


def decided(results: tk.Results) -> str:
    """What helps to decide, each with its table and its sentence."""
    ratios: pd.DataFrame = results.compare("latency_s", baseline="reply@1", level=0.9)
    found = results.cheapest(0.05, score="exact", baseline=0)
    arm: str = found.arm if not found.is_baseline else str(ratios.index[0])
    frames: list[pd.DataFrame] = [found.df, results.variance("exact").df, results.stability().df]
    return arm + found.sentence + str(len(frames))


def by_hand(cases: pd.DataFrame) -> str:
    """What a notebook shows and is clicked, and what it gives back."""
    picker = tk.PromptPicker("reply", cases=cases)
    form = tk.SweepForm({"reviews": cases}, models=["small"])
    shown = tk.RunProgress(tk.start_sweep("reply@*"))
    found = tk.doctor(check=False, timeout_s=1.0)
    one: str = tk.prompts["reply", 7].reference
    results: list[tk.Results] = [form.results, shown.results]
    return picker.code() + form.code() + one + str(found.is_ok) + str(len(results)) + tk.prompts("a").to_csv()


def looked_at(results: tk.Results) -> str:
    """The grid of answers, and a person's mark."""
    shown = tk.CompareGrid(results.mark("t1:0", 4, name="polite", note="curt"))
    shown.refresh()
    results.grid().refresh()
    return shown.static_text() + str(results.grid().static_html())


def voted(results: tk.Results) -> str:
    """Two answers at a time, and what the votes come to."""
    vote = tk.BlindVote(results, voter="ana", arms=["reply@1", 1], seed=2, show_case=False)
    results.vote(voter="bo")
    found = results.votes
    frames: list[pd.DataFrame] = [found.df, found.ranking, found.voters, found.agreement]
    share: float | None = found.consistency.share
    return vote.static_text() + str(found) + str(len(frames)) + str(share) + str(found.alpha)


def handed_over(results: tk.Results) -> str:
    """A run written, opened elsewhere, looked at case by case, and drawn."""
    path: Path = results.export("run.sweep")
    opened: tk.Results = tk.load(path)
    frame: pd.DataFrame = tk.load_frame(opened.export("comparison.csv", view="summary", safe=False))
    words: list[str] = [piece.text for case in opened.diff("reply@1", 1).worse for piece in case.words]
    opened.plot("gaps", theme="dark").savefig("gaps.svg")
    found = tk.bisect("reply", good=1, bad=len(frame), case={"question": "a"}, check=tk.contains("b"), repeats=3)
    return found.first_bad.version + "".join(words)


def moved_and_watched(results: tk.Results) -> str:
    """A label moved with proof and put back, and a sample asked again."""
    done = results.promote("reply@2", "production", min_gain=0.0, max_regressions=2, max_cost_ratio=1.2, confirm=False)
    state: str = done.confirm().rollback(force=True).write_evidence().state
    passed: bool = done.gate.passed
    report = tk.drift(results, sample=10, seed=1, repeats=2, budget_usd=0.5)
    frames: list[pd.DataFrame] = [done.gate.df, report.df]
    return state + str(passed) + str(len(frames)) + ", ".join(report.changed) + str(bool(report)) + str(done.evidence)


async def pushed(results: tk.Results) -> str:
    """Results where the team looks: while the sweep goes, and afterwards."""
    there = tk.sweep(["reply@1"], "openai/small", langfuse="nightly").to_langfuse()
    later = await results.ato_langfuse("nightly", dataset="words", patience_s=5.0, progress="off")
    added: int = later.generations_new + later.scores_new + later.failed
    url: str = results.traces["t1:0"] + later.experiments["reply@1"].url
    return there.compare_url + url + str(added)


def from_production(fetched: tk.Results) -> tk.Results:
    """Cases out of a dataset, out of linked generations, and out of the proxy's calls."""

    def masked(name: str, text: str) -> str:
        return text.replace(name, "*")

    items: pd.DataFrame = tk.from_langfuse("reviews", version="2026-11-01", metadata=["topic"], sample=10)
    used = tk.from_langfuse(prompt="reply@8", since="7d", until="1d", sample="all", redact=masked, expected="output")
    kept: pd.DataFrame = tk.from_traffic("reply", since="12h", seed=2, dedupe=False, redact=masked)
    return tk.sweep("reply@*", variables=pd.concat([items, used, kept]), labels=["topic"]) if len(used) else fetched
