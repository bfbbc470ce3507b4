"""Cases out of production: page by page, patient with limits, resumed after an interrupt, clear when it cannot be."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest

import toolkit as tk
from tests.langfuse.production import OBSERVATIONS, asked, engine_of, generation, hold, send
from toolkit import _sync
from toolkit.errors import LangfuseError, MissingKeyError, PromptNotFoundError, UsageError
from toolkit.langfuse import _cases_prompt


@pytest.fixture
def server(_langfuse_server, monkeypatch):
    """A fake Langfuse with seven uses of a prompt, read two at a time."""
    _langfuse_server.control(reset=True, delay_s=0)
    hold(_langfuse_server, "reply", "{{question}} asks {{name}}.")
    send(_langfuse_server, *(generation(number, f"q{number} asks Ann.") for number in range(1, 8)))
    monkeypatch.setattr(_cases_prompt, "PAGE_SIZE", 2)
    return _langfuse_server


def test_pages_are_read_one_after_the_other(server, engine):
    """Each page is asked for when the one before has come, and each row is read once."""
    frame = tk.from_langfuse(prompt="reply", engine=engine)
    assert frame["question"].tolist() == ["q7", "q6", "q5", "q4", "q3", "q2", "q1"]
    pages = [request for request in server.requests() if request["path"].startswith(OBSERVATIONS)]
    assert (len(pages), max(page["in_flight"] for page in pages)) == (4, 1)


def test_a_limit_is_waited_out(server, engine):
    """A 429 with Retry-After is asked again after that time, and nothing is read twice."""
    server.control(limit={OBSERVATIONS: [2, 1.0]})
    began = time.monotonic()
    frame = tk.from_langfuse(prompt="reply", engine=engine)
    assert len(frame) == 7
    # Four pages at two a second: one wait at least, as long as the answer asks.
    assert time.monotonic() - began >= 0.5


def test_a_page_that_is_too_large_is_asked_for_in_parts(server, tmp_path, monkeypatch):
    """Where a page is more than is read of one answer, smaller ones are asked for until they fit."""
    monkeypatch.setattr(_cases_prompt, "PAGE_SIZE", 100)
    send(server, *(generation(number, f"{'long ' * 400}{number} asks Ann.") for number in range(11, 21)))
    small = engine_of(server, tmp_path, max_answer_bytes=8_000)
    assert len(tk.from_langfuse(prompt="reply", engine=small)) == 17
    _sync.run(small.aclose())


def test_a_failed_reading_goes_on_where_it_was(server, engine):
    """After an error the same call asks for the pages that are left, and gives what one call would have given."""
    server.control(next=[{}, {}, {}, *[{"status": 500, "body": "down"}] * 3])
    with pytest.raises(LangfuseError):
        tk.from_langfuse(prompt="reply", engine=engine)
    before = len(asked(server))
    frame = tk.from_langfuse(prompt="reply", engine=engine)
    assert frame["question"].tolist() == ["q7", "q6", "q5", "q4", "q3", "q2", "q1"]
    assert len(asked(server)) - before == 2
    assert len(tk.from_langfuse(prompt="reply", engine=engine)) == 7


def test_what_was_read_outlives_an_error_behind_it(server, engine):
    """When `redact` fails, the call with a mended one asks nothing again; the one after that reads anew."""

    def broken(name: str, text: str) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tk.from_langfuse(prompt="reply", redact=broken, engine=engine)
    before = len(asked(server))
    assert len(tk.from_langfuse(prompt="reply", redact=lambda name, text: text, engine=engine)) == 7
    assert len(asked(server)) == before
    send(server, generation(9, "q9 asks Ann.", age_s=0.5))
    assert len(tk.from_langfuse(prompt="reply", engine=engine)) == 8


def test_another_call_does_not_go_on_with_it(server, engine):
    """What an interrupted call has read is for the same arguments only."""
    server.control(next=[{}, {}, *[{"status": 500, "body": "down"}] * 3])
    with pytest.raises(LangfuseError):
        tk.from_langfuse(prompt="reply", engine=engine)
    before = len(asked(server))
    assert len(tk.from_langfuse(prompt="reply", since="1d", engine=engine)) == 7
    assert len(asked(server)) - before == 4


def test_an_interrupt_stops_at_once_and_keeps_what_was_read(server, engine):
    """Ctrl-C gives control back within a second; the same call then asks only for what is left."""
    server.control(next=[{}, {}, {}, {"delay_s": 30}])

    def interrupt() -> None:
        deadline = time.monotonic() + 20
        while len(asked(server)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        interrupted_at.append(time.monotonic())
        _interrupt_main()

    interrupted_at: list[float] = []
    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        tk.from_langfuse(prompt="reply", engine=engine)
    assert time.monotonic() - interrupted_at[0] < 5
    before = len(asked(server))
    assert len(tk.from_langfuse(prompt="reply", engine=engine)) == 7
    assert len(asked(server)) - before == 2


def _interrupt_main() -> None:
    import _thread

    _thread.interrupt_main()


class Terminal(io.StringIO):
    """A terminal that keeps what is written."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_how_far_it_is(server, engine, monkeypatch):
    """In a terminal the last line says what was read and taken; without one, and when off, nothing is shown."""
    for choice, is_terminal, shown in (("auto", True, True), ("off", True, False), ("auto", False, False)):
        stream = Terminal() if is_terminal else io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        tk.from_langfuse(prompt="reply", progress=choice, engine=engine)
        words = "7 generations of 'reply' read, variables known of 7; 7 cases taken"
        assert (words in stream.getvalue()) is shown


def test_a_wait_is_told(server, engine, monkeypatch):
    """While the server has asked to wait, the line says so."""
    server.control(limit={OBSERVATIONS: [2, 1.0]})
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    tk.from_langfuse(prompt="reply", engine=engine)
    assert "4 generations of 'reply' read, variables known of 4; waiting 1 s, as Langfuse asks" in stream.getvalue()


def test_no_generations_says_what_to_check(server, engine):
    """A prompt that nothing is linked to is an error with the time, and what to check."""
    hold(server, "unused", "{{a}}")
    with pytest.raises(LangfuseError, match=r"no generation that is linked to 'unused' between .* Check that"):
        tk.from_langfuse(prompt="unused", engine=engine)


def test_a_name_that_does_not_exist_is_told_as_such(engine):
    """A slip in the name is an error with the nearest names."""
    with pytest.raises(PromptNotFoundError, match="Did you mean 'reply'"):
        tk.from_langfuse(prompt="repl", engine=engine)


def test_nothing_certain_says_how_to_have_it(server, engine):
    """When no row tells its variables, the error counts the reasons and says what a trace should keep."""
    hold(server, "open", "{{a}}{{b}}")
    send(server, generation(9, "ab", prompt="open"))
    with pytest.raises(LangfuseError, match=r"can be read in several ways.*'prompt_variables'"):
        tk.from_langfuse(prompt="open", engine=engine)


def test_an_older_server_is_named_with_a_way_out(server, engine):
    """A server without the interface is told which version it needs, and what to do instead."""
    server.control(version="3.100.0")
    with pytest.raises(LangfuseError, match=r"from version 4 on.*dataset=\.\.\.") as refused:
        tk.from_langfuse(prompt="reply", engine=engine)
    assert refused.value.status == 404


def test_a_plan_that_does_not_cover_it_is_named_with_a_way_out(server, engine):
    """A 403 says that plan or keys do not allow it, and what to do instead."""
    server.control(refuse=[OBSERVATIONS])
    with pytest.raises(LangfuseError, match=r"plan.*tk\.from_traffic") as refused:
        tk.from_langfuse(prompt="reply", engine=engine)
    assert refused.value.status == 403


def test_missing_keys_are_named(tmp_path, monkeypatch):
    """Without keys nothing is sent, and the message names the variable."""
    from toolkit.config import Settings
    from toolkit.engine import Engine

    monkeypatch.delenv("LANGFUSE_PUBLIC_KEY", raising=False)
    monkeypatch.delenv("LANGFUSE_SECRET_KEY", raising=False)
    for how in ({"prompt": "reply"}, {"dataset": "reviews"}):
        with pytest.raises(MissingKeyError, match="LANGFUSE_PUBLIC_KEY"):
            tk.from_langfuse(**how, engine=Engine(Settings(home=tmp_path)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "none is"),
        ({"prompt": "reply", "dataset": "reviews"}, "both are given"),
        ({"prompt": "reply", "version": "2026-01-01"}, "`version` is said of `dataset`"),
        ({"prompt": "reply", "metadata": ["topic"]}, "`metadata` is said of `dataset`"),
        ({"dataset": "reviews", "since": "7d", "expected": "output"}, "`since`, `expected` is said of `prompt`"),
        ({"prompt": "reply", "since": "a week"}, "`since` is a moment"),
        ({"prompt": "reply", "since": "1d", "until": "2d"}, "is not before `until`"),
        ({"prompt": "reply", "sample": 0}, "`sample` is a whole number"),
        ({"prompt": "reply", "at_most": -1}, "`at_most` is a whole number"),
        ({"prompt": "reply", "expected": "answer"}, "`expected` is 'output'"),
        ({"prompt": "folder:reply"}, "no prompt of Langfuse; from_traffic"),
        ({"prompt": "reply", "progress": "loud"}, "`progress` is"),
    ],
)
def test_arguments_that_contradict_each_other_send_nothing(server, engine, how, words):
    """What cannot be meant is refused before anything is sent."""
    before = len(server.requests())
    with pytest.raises(UsageError, match=words):
        tk.from_langfuse(**how, engine=engine)
    assert len(server.requests()) == before
