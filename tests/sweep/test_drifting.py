"""Asking a sample again: what has changed beyond the noise between repeats, and what may not be claimed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import count

import pytest

from tests.builders import make_prompt
from toolkit._records import Request, Response, Score
from toolkit.errors import BadRequestError, RunNotFoundError, UsageError
from toolkit.results import DriftReport
from toolkit.scorers import contains, exact, judge
from toolkit.sweep import drift, open_run, sweep
from toolkit.testing import FakeProvider

CASES = [{"word": f"word-{number}", "expected": f"SAY WORD-{number}."} for number in range(24)]
PROMPTS = (make_prompt("Say {{word}}."), make_prompt("Please say {{word}}.", version="2"))


class Model(FakeProvider):
    """A model whose answers and name can be changed."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.served = "model-1"
        self.reply: Callable[[str], str] = str.upper

    def _answer(self, request: Request) -> Response:
        text = self.reply(str(request.messages[0].content))
        return Response(text=text, finish_reason="stop", model=self.served)


class Tomorrow:
    """A clock that is some days ahead of another."""

    def __init__(self, inner, days: int) -> None:
        self._inner, self._ahead = inner, dt.timedelta(days=days)
        self.monotonic, self.sleep = inner.monotonic, inner.sleep

    def now(self) -> dt.datetime:
        """The time of day, some days later."""
        return self._inner.now() + self._ahead


@pytest.fixture
def model() -> Model:
    """What answers."""
    return Model()


@pytest.fixture
def engine(make_engine, model: Model):
    """An engine with that model and two versions of a prompt."""
    return make_engine(model, prompts=PROMPTS)


def run_of(engine, *, prompts=("greet@1",), repeats=1, scored=True):
    """A run over 24 cases."""
    results = sweep(list(prompts), "fake/m", CASES, repeats=repeats, engine=engine, progress="off")
    return results.score(exact()) if scored else results


def ask(run, engine, **options) -> DriftReport:
    """The report on a run."""
    return drift(run, engine=engine, progress="off", **options)


def test_a_sample_is_sent_again(engine, model: Model):
    """Twenty of the run's cases are asked again, at least twice each, though the store has answers to all of them."""
    results = run_of(engine)
    model.requests.clear()
    report = ask(results, engine)
    assert len(model.requests) == 20 * 2
    assert report.run_id == results.run_id != report.again_run_id
    assert len(open_run(report.again_run_id, engine=engine)) == 40


def test_a_model_that_has_not_changed_is_not_said_to_have(engine):
    """Without a change the report is false, and says what it has tested."""
    report = ask(run_of(engine), engine)
    assert not report
    assert report.changed == ()
    assert "No change beyond chance in 2 tests" in report.sentence
    assert "Tests: answers dealt anew between before and now within each case" in report.sentence


def test_other_answers_are_a_change(engine, model: Model):
    """Answers that all differ from the ones before, and not from each other, are a change; so are their scores."""
    results = run_of(engine)
    model.reply = str.title
    report = ask(results, engine)
    assert report
    rows = report.df.set_index("what")
    # A share of 1 across, 0 within; the deals of a, b, b into one and two: (1 / 3) ** 20, so the least p there is.
    assert rows.loc["answers", ["cases", "before", "now", "gap", "p"]].tolist() == [20, 0.0, 1.0, 1.0, 0.0001]
    # All 20 lost: McNemar's mid-p is 2 * 0.5 ** 20 - 0.5 ** 20.
    assert rows.loc["score.exact", ["before", "now", "gap"]].tolist() == [1.0, 0.0, -1.0]
    assert rows.loc["score.exact", "p"] == pytest.approx(0.5**20)
    assert rows["changed"].tolist() == [True, True]
    assert "answers otherwise than before: 100 % of answers differ from the ones before, 0 % do between repeats" in str(
        report
    )


def test_a_model_that_is_only_noisy_has_not_drifted(engine, model: Model):
    """When repeats differ as much as old and new answers do, nothing has changed."""
    turns = count()
    model.reply = lambda text: f"{text} {next(turns)}"
    report = ask(run_of(engine, repeats=2, scored=False), engine)
    assert not report
    assert report.df.loc[:, ["before", "now", "gap"]].to_numpy().tolist() == [[1.0, 1.0, 0.0]]


def test_only_the_arm_that_has_changed_is_named(engine, model: Model):
    """Each arm is compared with itself."""
    results = run_of(engine, prompts=("greet@1", "greet@2"))
    model.reply = lambda text: "no" if text.startswith("Please") else text.upper()
    report = ask(results, engine)
    assert all(sentence.startswith("greet@2") for sentence in report.changed)
    assert len(report.changed) == 1


def test_another_model_that_serves_is_told(engine, model: Model):
    """A name that served none of the answers before is a change though every answer is the same."""
    results = run_of(engine)
    model.served = "model-2"
    report = ask(results, engine)
    assert report
    (one,) = report.served
    assert (one.before, one.now) == (("model-1",), ("model-2",))
    assert report.changed == ("greet@1 · m is served by model-2 now; it was model-1.",)


def test_without_repeats_nothing_is_said_of_answers(engine, model: Model):
    """With one answer on either side it cannot be told how many differ by chance, and nothing is claimed."""
    results = run_of(engine, scored=False)
    model.reply = str.title
    report = ask(results, engine, repeats=1)
    assert not report
    assert "it cannot be told whether answers differ by more than repeats do" in report.sentence
    assert report.df["p"].isna().all()


def test_one_day_has_one_run(engine, model: Model):
    """A second call on the same day takes the first one's answers; the next day asks anew."""
    results = run_of(engine)
    first = ask(results, engine)
    model.requests.clear()
    assert ask(results, engine).again_run_id == first.again_run_id
    assert model.requests == []
    engine.clock = Tomorrow(engine.clock, days=1)
    assert ask(results, engine).again_run_id != first.again_run_id
    assert len(model.requests) == 40


def test_the_sample_is_drawn_by_its_seed(engine, model: Model):
    """The same seed asks the same cases, another one others; a sample larger than the run is the run."""
    results = run_of(engine)

    def cases(**options) -> list[str]:
        report = ask(results, engine, **options)
        return sorted(set(open_run(report.again_run_id, engine=engine).df["var.word"]))

    assert cases(sample=5, seed=1) == cases(sample=5, seed=1) != cases(sample=5, seed=2)
    assert len(cases(sample=500)) == 24


def test_a_run_is_named_by_its_id_or_its_results(engine):
    """`drift` takes what `runs()` gives, too."""
    results = run_of(engine)
    assert ask(results.run_id, engine).run_id == results.run_id
    with pytest.raises(RunNotFoundError):
        ask("run-none", engine)


def test_scores_are_given_by_what_the_run_was_scored_with(engine):
    """Scorers are made again from what is stored; of what cannot be, the report says so."""
    results = run_of(engine).score(contains("WORD", ignore_case=False, name="shouts"), lambda text: len(text))
    report = ask(results, engine)
    assert report.df["what"].tolist() == ["answers", "score.exact", "score.shouts"]
    assert "Not scored again, because they cannot be made again from the run: lambda." in report.sentence


def test_scorers_can_be_given(engine):
    """A function is given as itself; one that the run has no score of is refused before a comparison is made."""

    def length(text: str) -> int:
        return len(text)

    results = run_of(engine).score(length)
    assert ask(results, engine, scorers=[length]).df["what"].tolist() == ["answers", "score.length"]
    with pytest.raises(UsageError, match="has no score 'contains' to compare with"):
        ask(results, engine, scorers=["contains"])


def test_a_judge_is_not_asked_unless_it_is_given(engine, model: Model):
    """Judging costs money: a run that was judged is compared without."""
    results = run_of(engine)
    asked = judge("polite", model="fake/judge", name="polite")
    given = Score(name="polite", value=1.0, scorer=asked.spec, scorer_version=asked.version)
    engine.store.save_scores(results.run_id, [(trial.trial_id, given) for trial in results.view.trials])
    model.requests.clear()
    report = ask(results.run_id, engine)
    assert {request.model for request in model.requests} == {"m"}
    assert "polite" in report.sentence


@pytest.mark.parametrize("options", [{"sample": 0}, {"sample": "20"}, {"repeats": 0}, {"repeats": True}])
def test_numbers_that_make_no_sense_are_refused(engine, options):
    """Sample and repeats are whole numbers of at least 1."""
    with pytest.raises(UsageError, match=f"`{next(iter(options))}` is a whole number of at least 1"):
        ask(run_of(engine), engine, **options)


def test_one_scorer_is_given_as_a_list(engine):
    """A text is no list of scorers, though it is a sequence."""
    with pytest.raises(UsageError, match=r"`scorers` is a list such as \['contains'\]; got 'exact'"):
        ask(run_of(engine), engine, scorers="exact")


def test_a_report_without_a_change_says_what_it_leaves_to_its_table(engine):
    """Four tests are told in words; how many more there are is said."""
    report = ask(run_of(engine, prompts=("greet@1", "greet@2")).score(contains("SAY")).score(contains("word")), engine)
    assert "No change beyond chance in 8 tests:" in report.sentence
    assert "The other 4 are in the table." in report.sentence


def test_what_has_no_answer_now_is_told_with_what_to_do(engine, model: Model):
    """When the model fails, the report says how many answers are missing, where the reasons are, and claims nothing."""
    results = run_of(engine)

    def fail(text: str) -> str:
        raise BadRequestError("No.", provider="fake", model="m")

    model.reply = fail
    report = ask(results, engine)
    assert not report
    assert f"40 trials of 40 without an answer now; they count nowhere. tk.open_run({report.again_run_id!r})" in str(
        report
    )
    assert len(open_run(report.again_run_id, engine=engine).failures) == 40


def test_a_cell_stresses_what_it_begins_with(engine):
    """Of a report of several lines the first one is strong, and the rest is plain text below it."""
    markup = ask(run_of(engine), engine)._repr_html_()
    stressed = markup[markup.index("<strong>") : markup.index("</strong>")]
    assert "Asked again on" in stressed
    assert "No change" not in stressed
    assert "No change beyond chance" in markup


def test_the_budget_holds(engine):
    """What is sent again is held to the budget as any sweep is: without a price it is refused."""
    with pytest.raises(UsageError, match="price"):
        ask(run_of(engine), engine, budget_usd=0.01)


def test_the_newest_sweep_stays_the_newest(engine):
    """Asking again is done on behalf of another run; `last_results` does not give it."""
    from toolkit.sweep import last_results

    results = run_of(engine)
    ask(results, engine)
    assert last_results().run_id == results.run_id
