"""Embeddings over real HTTP: what is sent, what it costs, what is kept, and what becomes of texts without a vector."""

from __future__ import annotations

import pandas as pd
import pytest

import toolkit as tk
from toolkit.errors import UsageError

PRICED = "openai/text-embedding-3-small"
"""Two cents a million tokens by the table; the server counts words."""

ROWS = [{"answer": "blue is the sky", "expected": "the sky is blue"}, {"answer": "no", "expected": "yes"}]


@pytest.fixture
def server(judge_server):
    """The server that embeds."""
    return judge_server


@pytest.fixture
def engine(make_judged_engine):
    """An engine on which `fake/x` says what the variable `answer` is."""
    return make_judged_engine()


def answered(engine, rows, **options):
    """A run whose answers are those of the rows."""
    return tk.sweep("fake:greet@1", "fake/x", rows, progress="off", engine=engine, **options)


def scores(results, name="semantic"):
    """A score's values in the plan's order; `None` = not scored."""
    return [None if pd.isna(value) else round(float(value), 6) for value in results.df[f"score.{name}"]]


def embedded(engine):
    """The newest run of embeddings."""
    return tk.open_run(
        next(each for each in reversed(tk.runs(engine=engine)) if each.startswith("embed-")), engine=engine
    )


def test_embeddings_of_a_service(engine, server):
    """Texts are embedded once each, in one request, and the expected words in another order score 1."""
    results = answered(engine, ROWS).score(tk.semantic(model="openai/embed-small"))
    assert scores(results) == [1.0, 0.0]
    (request,) = server.requests()
    assert (request["path"], set(request["body"])) == ("/v1/embeddings", {"model", "input", "encoding_format"})
    assert sorted(request["body"]["input"]) == ["blue is the sky", "no", "the sky is blue", "yes"]


def test_no_text_is_sent_twice(engine, make_judged_engine, server):
    """A text that was embedded is in the store: for other scorers of the model, other runs, and later processes."""
    results = answered(engine, ROWS).score(tk.semantic(model=PRICED))
    results.score(tk.semantic(model=PRICED, name="other"), tk.semantic(model=PRICED, name="more"))
    results.score(tk.semantic(model=PRICED))
    later = answered(make_judged_engine(), [*ROWS, {"answer": "new", "expected": "yes"}])
    later.score(tk.semantic(model=PRICED))
    assert [sorted(request["body"]["input"]) for request in server.requests()[1:]] == [["new"]]
    assert scores(later) == [1.0, 0.0, 0.0]


def test_another_model_embeds_anew(engine, server):
    """Vectors of one model are not taken for those of another."""
    answered(engine, ROWS).score(tk.semantic(model=PRICED), tk.semantic(model="openai/embed-small", name="small"))
    assert len(server.requests()) == 2


def test_embeddings_are_priced(engine, capsys):
    """Embeddings cost what the service counted by the table, as a run of their own, and the cost is printed."""
    answered(engine, ROWS).score(tk.semantic(model=PRICED))
    run = embedded(engine)
    # Ten words at two cents a million.
    assert run.df["cost_usd"].sum() == pytest.approx(10 * 0.02 / 1e6)
    assert (run.df["input_tokens"].sum(), run.df["output_tokens"].sum()) == (10, 0)
    assert run.audit().ok
    told = capsys.readouterr().out
    assert f"4 texts embedded. They cost $0.00000020, 4 of them sent now. The calls are the run '{run.run_id}'" in told


def test_the_run_under_test_costs_what_it_did(engine):
    """What embeddings cost is not the cost of the answers that are scored."""
    results = answered(engine, ROWS)
    before = results.df["cost_usd"].copy()
    results.score(tk.semantic(model=PRICED))
    assert before.equals(results.df["cost_usd"])


def test_own_prices_go_first(engine):
    """`prices` of the scorer go before the table, and give a model a price that has none there."""
    answered(engine, ROWS).score(
        tk.semantic(model="openai/embed-small", prices={"openai/embed-small": {"input": 1.0, "output": 0.0}})
    )
    assert embedded(engine).df["cost_usd"].sum() == pytest.approx(10 / 1e6)


def test_a_budget_keeps_embeddings_within_it(engine, server):
    """What does not fit `budget_usd` is not sent and not scored, and says so; a higher budget goes on there."""
    rows = [{"answer": f"word {number}", "expected": f"thing {number}"} for number in range(20)]
    results = answered(engine, rows)
    scorer = {"model": "openai/embed-small", "prices": {"openai/embed-small": {"input": 1e6, "output": 0.0}}}
    results.score(tk.semantic(budget_usd=100.0, **scorer))
    assert 0 < embedded(engine).df["cost_usd"].sum() <= 100.0
    assert None in scores(results)
    reasons = results.df.loc[results.df["score.semantic"].isna(), "reason.semantic"]
    assert all(reason.startswith("no embedding: over_budget: Not sent: ") for reason in reasons)
    sent = sum(len(request["body"]["input"]) for request in server.requests())
    results.score(tk.semantic(budget_usd=1000.0, **scorer))
    assert None not in scores(results)
    assert sum(len(request["body"]["input"]) for request in server.requests()) == 40 > sent


def test_a_budget_needs_a_price(engine, server):
    """With a budget and no price nothing is sent, and the error says how to give one."""
    results = answered(engine, ROWS)
    with pytest.raises(UsageError, match="prices="):
        results.score(tk.semantic(model="openai/embed-small", budget_usd=1.0))
    assert server.requests() == []


def test_embeddings_are_tried_again(engine, server):
    """An embeddings endpoint that stumbles is asked again."""
    results = answered(engine, [{"answer": "blue", "expected": "blue"}])
    server.control(status=503, headers={"retry-after": "0"})
    assert scores(results.score(tk.semantic(model=PRICED))) == [1.0]
    assert embedded(engine).df["attempts"].tolist() == [2]


def test_a_refused_key_leaves_gaps(engine, server):
    """An endpoint that refuses leaves <NA> with the kind of failure; the next scoring asks again."""
    results = answered(engine, [{"answer": "blue", "expected": "blue"}])
    server.control(status=401)
    assert scores(results.score(tk.semantic(model=PRICED))) == [None]
    assert results.df["reason.semantic"][0].startswith("no embedding: auth: ")
    assert scores(results.score(tk.semantic(model=PRICED))) == [1.0]


def test_one_refused_text_takes_no_other_along(engine, server):
    """A request that is refused is sent in halves, so that only the text that it is refused for has no vector."""
    rows = [{"answer": text, "expected": "blue"} for text in ("blue", "poison", "red", "green")]
    results = answered(engine, rows)
    server.control(status=400, times=9, match="poison")
    results.score(tk.semantic(model=PRICED))
    assert scores(results) == [1.0, None, 0.0, 0.0]
    assert results.df["reason.semantic"][1].startswith("no embedding: bad_request: ")


def test_many_texts_go_out_in_batches(engine, server):
    """Two hundred texts take far fewer requests than texts, each of at most 64, and each text is in one of them."""
    rows = [{"answer": f"answer {number}", "expected": f"wanted {number}"} for number in range(100)]
    results = answered(engine, rows).score(tk.semantic(model=PRICED))
    batches = [request["body"]["input"] for request in server.requests()]
    assert None not in scores(results)
    assert sorted(text for batch in batches for text in batch) == sorted(
        text for number in range(100) for text in (f"answer {number}", f"wanted {number}")
    )
    assert len(batches) <= 50
    assert max(map(len, batches)) <= 64


def test_a_run_of_embeddings_is_not_resumed(engine, server):
    """A run of embeddings is gone on with by scoring once more; `resume` says so and sends nothing."""
    answered(engine, ROWS).score(tk.semantic(model=PRICED))
    asked = len(server.requests())
    with pytest.raises(UsageError, match="score the results once more"):
        tk.resume(embedded(engine).run_id, engine=engine)
    assert len(server.requests()) == asked
