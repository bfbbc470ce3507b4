"""Cases out of production: which linked generations count, what is taken from them, and what the table says."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

import toolkit as tk
from tests.langfuse.production import HEADERS, OBSERVATIONS, asked, generation, hold, send
from toolkit.errors import LangfuseWarning, UsageError

TEMPLATE = "{{question}} asks {{name}}."


@pytest.fixture
def server(_langfuse_server):
    """A fake Langfuse with a prompt of two versions and no generations."""
    _langfuse_server.control(reset=True)
    hold(_langfuse_server, "reply", TEMPLATE, "Be kind. {{question}}")
    return _langfuse_server


def cases(engine, **how) -> list[dict[str, Any]]:
    """The rows without their ids."""
    frame = tk.from_langfuse(**{"prompt": "reply", "engine": engine} | how)
    return frame.drop(columns="id").to_dict("records")


def told(frame) -> dict[str, Any]:
    found = frame.attrs["langfuse"]
    assert json.loads(json.dumps(found)) == found
    return found


@pytest.mark.parametrize(
    "sent",
    [
        "Where is it? asks Ann.",
        [{"role": "user", "content": "Where is it? asks Ann."}],
        [{"role": "system", "content": "Where is it? asks Ann.", "name": None}],
        {"messages": [{"role": "user", "content": "Where is it? asks Ann."}], "tools": []},
        {"role": "user", "content": "Where is it? asks Ann."},
        {"prompt": "Where is it? asks Ann."},
    ],
)
def test_variables_come_from_a_recorded_input_of_any_form(server, engine, sent):
    """A text, a message, a list of messages, and a request with one of them in it all give the variables."""
    send(server, generation(1, sent))
    assert cases(engine) == [{"question": "Where is it?", "name": "Ann"}]


@pytest.mark.parametrize(
    "metadata",
    [
        {"prompt_variables": {"question": "Where?", "name": "x asks y", "unused": 1}},
        {"langfuse_prompt_variables": {"question": "Where?", "name": "x asks y"}},
        {"prompt_management_metadata": {"prompt_variables": {"question": "Where?", "name": "x asks y"}}},
        {"anything": {"question": "Where?", "name": "x asks y"}},
    ],
)
def test_variables_in_the_metadata_need_no_reading_back(server, engine, metadata):
    """Variables that a trace keeps are taken as they are, also where the input could be read in several ways."""
    send(server, generation(1, "Where? asks x asks y.", metadata=metadata))
    assert cases(engine) == [{"question": "Where?", "name": "x asks y"}]


def test_long_variables_in_the_metadata_come_whole(server, engine):
    """Metadata beyond Langfuse's 200 characters is asked for whole."""
    long = "word " * 200
    send(server, generation(1, "?", metadata={"prompt_variables": {"question": long, "name": "Ann"}}))
    assert cases(engine) == [{"question": long, "name": "Ann"}]


def test_foreign_metadata_that_does_not_render_to_the_input_is_not_believed(server, engine):
    """A map with the prompt's names that does not make the recorded input is somebody else's."""
    send(server, generation(1, "Where? asks Ann.", metadata={"last": {"question": "Why?", "name": "Bob"}}))
    assert cases(engine) == [{"question": "Where?", "name": "Ann"}]


def test_only_linked_generations_of_the_time_count(server, engine):
    """Other prompts, other kinds of observations, experiments and what is too old are no cases."""
    hold(server, "other", TEMPLATE)
    send(
        server,
        generation(1, "a asks Ann."),
        generation(2, "b asks Ann.", prompt="other"),
        generation(3, "c asks Ann.", kind="span"),
        generation(4, "d asks Ann.", environment="sdk-experiment"),
        generation(5, "e asks Ann.", environment="langfuse-prompt-experiment"),
        generation(6, "f asks Ann.", age_s=8 * 86_400),
        generation(7, "g asks Ann.", environment="staging"),
    )
    frame = tk.from_langfuse(prompt="reply", engine=engine)
    assert frame["question"].tolist() == ["g", "a"]
    assert told(frame)["left_out"] == {"sent by an experiment": 2}
    assert cases(engine, environment="staging") == [{"question": "g", "name": "Ann"}]
    assert cases(engine, since="9d", until="7d") == [{"question": "f", "name": "Ann"}]


def test_a_server_that_ignores_the_filter_changes_nothing(server, engine):
    """What was not asked for is no case, also when the server gives it."""
    hold(server, "other", TEMPLATE)
    send(
        server,
        generation(1, "a asks Ann."),
        generation(2, "b asks Ann.", prompt="other"),
        generation(3, "c asks Ann.", kind="embedding"),
        generation(4, "d asks Ann.", age_s=8 * 86_400),
        generation(5, "e asks Ann.", environment="staging"),
        generation(6, "Be kind. f", version=2),
    )
    fields = "core,basic,io,metadata,prompt"
    everything = server.call("GET", f"{OBSERVATIONS}?fields={fields}", headers=HEADERS)
    assert len(everything["data"]) == 6
    server.control(next=[{"status": 200, "body": everything}])
    assert cases(engine, prompt="reply@1", environment="default") == [{"question": "a", "name": "Ann"}]


def test_recorded_messages_are_not_taken_for_the_text_of_one(server, engine):
    """A chat of one free message reads the message, not the JSON that it was recorded as."""
    hold(server, "free", [{"role": "user", "content": "{{question}}"}])
    send(server, generation(1, [{"role": "user", "content": "Where?"}], prompt="free"))
    assert cases(engine, prompt="free") == [{"question": "Where?"}]


def test_a_free_text_that_could_be_messages_is_left_out(server, engine):
    """Where a text prompt's input can be meant as messages and as text, and both fit, there is no case."""
    hold(server, "free", "{{question}}")
    send(
        server,
        generation(1, [{"role": "user", "content": "Where?"}], prompt="free"),
        generation(2, "Why?", prompt="free"),
    )
    with pytest.warns(LangfuseWarning, match="1 left out: 1 .the input can be read in several ways"):
        assert cases(engine, prompt="free") == [{"question": "Why?"}]


@pytest.mark.parametrize(
    ("reference", "questions"),
    [
        ("reply", ["c", "b", "a"]),
        ("reply@*", ["c", "b", "a"]),
        ("langfuse:reply@1", ["c", "a"]),
        ("reply@production", ["c", "a"]),
        ("reply@2..9", ["b"]),
    ],
)
def test_a_reference_chooses_the_versions(server, engine, reference, questions):
    """A name alone means every version; a version, a label and a range mean those."""
    send(
        server,
        generation(1, "a asks Ann."),
        generation(2, "Be kind. b", version=2),
        generation(3, "c asks Ann."),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangfuseWarning)
        assert [case["question"] for case in cases(engine, prompt=reference)] == questions


def test_what_is_not_certain_is_left_out_and_counted(server, engine):
    """Rows without certain variables are no cases; a warning and the attributes say how many, and why."""
    send(
        server,
        generation(1, "a asks Ann."),
        generation(2, "a asks b asks Ann."),
        generation(3, "Something else."),
        generation(4, None),
        generation(5, "{{question}} asks Ann."),
        generation(6, "?", metadata={"prompt_variables": {"question": "a"}}),
    )
    with pytest.warns(LangfuseWarning, match="of 6 generations 5 left out") as said:
        frame = tk.from_langfuse(prompt="reply", engine=engine)
    assert (len(said), said[0].filename) == (1, __file__)
    assert told(frame)["left_out"] == {
        "the input can be read in several ways": 1,
        "the input does not fit the template": 1,
        "no input was recorded": 1,
        "a variable was not filled": 2,
    }
    assert (told(frame)["read"], told(frame)["matched"], len(frame)) == (6, 1, 1)


def test_a_version_that_is_gone_leaves_its_rows_out(server, engine):
    """Generations of a deleted version are counted as such."""
    send(server, generation(1, "a asks Ann."), generation(2, "Be kind. b", version=2))
    server.control(next=[{}, {}, {"status": 404, "body": {"message": "Prompt not found", "error": "NotFound"}}])
    with pytest.warns(LangfuseWarning, match="its prompt version is gone"):
        frame = tk.from_langfuse(prompt="reply", engine=engine)
    assert len(frame) == 1
    assert told(frame)["left_out"] == {"its prompt version is gone": 1}


def test_equal_variables_are_one_case(server, engine):
    """A set of variables is one row, its newest use; how often it was used is in the attributes."""
    send(server, *(generation(number, "a asks Ann.") for number in (1, 2, 3)), generation(4, "b asks Ann."))
    frame = tk.from_langfuse(prompt="reply", engine=engine)
    assert frame["id"].tolist() == [f"{4:016x}", f"{1:016x}"]
    assert told(frame)["times"] == {f"{1:016x}": 3}
    assert len(cases(engine, dedupe=False)) == 4


def test_a_generation_that_langfuse_holds_twice_counts_once(server, engine):
    """A span that was sent twice is one use."""
    twice = generation(1, "a asks Ann.")
    send(server, twice, twice)
    frame = tk.from_langfuse(prompt="reply", dedupe=False, engine=engine)
    assert (len(frame), told(frame)["read"]) == (1, 1)


def test_the_seed_draws_the_sample(server, engine):
    """A sample is as large as asked, the same for the same seed, another for another, and in order of time."""
    send(server, *(generation(number, f"q{number:02} asks Ann.") for number in range(1, 41)))
    drawn = [[case["question"] for case in cases(engine, sample=5, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(questions) == 5 and questions == sorted(questions, reverse=True) for questions in drawn)
    assert len(cases(engine, sample="all")) == 40


def test_every_text_goes_through_redact(server, engine):
    """`redact` gets each text with its variable's name; what becomes equal is one case."""
    send(server, generation(1, "a asks Ann.", output="Hi Ann"), generation(2, "a asks Bob.", output="Hi Bob"))

    def mask(name: str, text: str) -> str:
        return text.replace("Ann", "<name>").replace("Bob", "<name>") if name != "question" else text

    frame = tk.from_langfuse(prompt="reply", redact=mask, expected="output", engine=engine)
    assert frame.drop(columns="id").to_dict("records") == [
        {"question": "a", "name": "<name>", "expected": "Hi <name>"},
    ]
    assert list(told(frame)["times"].values()) == [2]


def test_texts_in_messages_go_through_redact(server, engine):
    """In a list of messages, what was said is masked, and roles stay."""
    hold(server, "chat", [{"type": "placeholder", "name": "user"}, {"role": "user", "content": "go"}])
    send(server, generation(1, [{"role": "user", "content": "Ann"}, {"role": "user", "content": "go"}], prompt="chat"))
    (case,) = cases(engine, prompt="chat", redact=lambda name, text: text.upper())
    assert case == {"user": [{"role": "user", "content": "ANN"}]}


def test_redact_that_gives_no_text_is_refused_without_showing_the_text(server, engine):
    """The message names the variable and what came, and not the text that should have been masked."""
    send(server, generation(1, "secret question asks Ann."))
    with pytest.raises(UsageError, match="NoneType for a text of 'question'") as refused:
        tk.from_langfuse(prompt="reply", redact=lambda name, text: None, engine=engine)  # type: ignore[arg-type,return-value]
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("Soon.", "Soon."),
        ({"role": "assistant", "content": "Soon."}, "Soon."),
        ([{"role": "assistant", "content": "Soon."}], "Soon."),
        ({"choices": [{"message": {"role": "assistant", "content": "Soon."}}]}, "Soon."),
        ({"label": "late"}, '{"label": "late"}'),
        (None, None),
    ],
)
def test_the_answer_of_then_can_be_the_expected_one(server, engine, output, expected):
    """With expected='output' the text that was answered is the expected answer; JSON stays as written."""
    send(server, generation(1, "a asks Ann.", output=output))
    assert cases(engine, expected="output") == [{"question": "a", "name": "Ann", "expected": expected}]


def test_versions_with_other_variables_leave_holes_and_say_so(server, engine):
    """A row of a version that does not read a variable has nothing there, and the warning counts them."""
    send(server, generation(1, "a asks Ann."), generation(2, "Be kind. b", version=2))
    with pytest.warns(LangfuseWarning, match="there is nothing for 'name' in 1 row"):
        found = cases(engine)
    assert found == [{"question": "b", "name": None}, {"question": "a", "name": "Ann"}]


def test_a_variable_called_id_keeps_its_name(server, engine):
    """The use's own id steps aside for a variable of that name."""
    hold(server, "numbered", "No. {{id}}")
    send(server, generation(1, "No. 7", prompt="numbered"))
    frame = tk.from_langfuse(prompt="numbered", engine=engine)
    assert frame.to_dict("records") == [{"use_id": f"{1:016x}", "id": "7"}]


def test_at_most_bounds_what_is_read(server, engine):
    """The newest ones are read, and the warning says that there are more."""
    send(server, *(generation(number, f"q{number} asks Ann.") for number in range(1, 6)))
    with pytest.warns(LangfuseWarning, match="only the newest 3 were read"):
        frame = tk.from_langfuse(prompt="reply", at_most=3, engine=engine)
    assert frame["question"].tolist() == ["q3", "q2", "q1"]
    assert told(frame)["is_cut"] is True
    assert len(asked(server)) == 1


def test_the_table_sweeps_without_a_warning(server, engine):
    """The columns are what a sweep takes: variables, an id, an expected answer."""
    send(server, generation(1, "a asks Ann.", output="Hi"), generation(2, "b asks Ann.", output="Ho"))
    frame = tk.from_langfuse(prompt="reply", expected="output", engine=engine)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = tk.plan("reply@1", "local/smollm2-135m-instruct", frame, engine=engine)
    assert plan.trials == 2
