"""Cases out of a dataset: inputs as variables, expected outputs, versions, and clear words where there is none."""

from __future__ import annotations

import datetime as dt
import json
import warnings

import pytest

import toolkit as tk
from tests.langfuse.production import asked, dataset, hold
from tests.prompts.conftest import recording
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit.errors import LangfuseError, UsageError


@pytest.fixture
def server(_langfuse_server):
    """A fake Langfuse that holds nothing."""
    _langfuse_server.control(reset=True)
    return _langfuse_server


REVIEWS = [
    {"id": "item-0", "input": {"review": "Loved it"}, "expectedOutput": "positive", "metadata": {"topic": "shoes"}},
    {"id": "item-1", "input": {"review": "Broke at once"}, "expectedOutput": "negative", "metadata": {"stars": 1}},
]


def test_items_are_rows(server, engine):
    """Input keys are columns, the expected output is `expected`, the item's id is `id`; oldest first."""
    dataset(server, "reviews", *REVIEWS)
    frame = tk.from_langfuse("reviews", engine=engine)
    assert frame.to_dict("records") == [
        {"id": "item-0", "review": "Loved it", "expected": "positive"},
        {"id": "item-1", "review": "Broke at once", "expected": "negative"},
    ]


def test_the_table_says_where_it_is_from(server, engine):
    """The attributes name host, project, dataset and time, and are plain JSON without keys."""
    dataset(server, "reviews", *REVIEWS)
    frame = tk.from_langfuse("reviews", engine=engine)
    found = frame.attrs["langfuse"]
    text = json.dumps(found)
    assert json.loads(text) == found
    assert PUBLIC_KEY not in text
    assert SECRET_KEY not in text
    assert (found["host"], found["project_id"], found["dataset"]) == (server.url, "proj-test", "reviews")
    assert found["dataset_id"] == server.call("GET", "/_held")["datasets"][0]["id"]
    assert (found["version"], found["read"], found["left_out"], found["cases"]) == (None, 2, {}, 2)
    assert dt.datetime.fromisoformat(found["read_at"]).tzinfo is not None


def test_recorded_answers_are_read(server, engine):
    """The answers of a real server give its items."""
    server.control(next=[{"status": 200, "body": recording(number)["response"]["body"]} for number in (43, 45)])
    frame = tk.from_langfuse("reviews", engine=engine)
    assert frame.to_dict("records") == [
        {"id": "item-0", "review": "Loved it", "expected": "positive"},
        {"id": "item-1", "review": "Broke at once", "expected": "negative"},
    ]


def test_every_page_is_read_once(server, engine):
    """A dataset of more than one page comes whole, in order."""
    dataset(server, "many", *({"id": f"i{place}", "input": {"n": place}} for place in range(103)))
    frame = tk.from_langfuse("many", engine=engine)
    assert frame["n"].tolist() == list(range(103))
    assert "expected" not in frame.columns
    assert len(asked(server, "/api/public/dataset-items")) == 2


def test_archived_items_are_left_out_and_counted(server, engine):
    """An archived item is no case, whether or not the server lists it."""
    items = recording(45)["response"]["body"]
    items["data"][0]["status"] = "ARCHIVED"
    server.control(next=[{"status": 200, "body": recording(43)["response"]["body"]}, {"status": 200, "body": items}])
    frame = tk.from_langfuse("reviews", engine=engine)
    assert frame["id"].tolist() == ["item-0"]
    assert frame.attrs["langfuse"]["left_out"] == {"archived": 1}


def test_metadata_becomes_columns_when_asked_for(server, engine):
    """The named keys of the items' metadata are columns, empty where an item has none."""
    dataset(server, "reviews", *REVIEWS)
    frame = tk.from_langfuse("reviews", metadata=["topic", "stars"], engine=engine)
    assert frame["topic"].tolist() == ["shoes", None]
    assert frame["stars"].tolist() == [None, 1]


def test_an_input_that_is_no_map_is_one_column(server, engine):
    """A text, a number or a list is the column `input`."""
    dataset(server, "plain", {"id": "a", "input": "What is it?"}, {"id": "b", "input": ["x", 1]})
    frame = tk.from_langfuse("plain", engine=engine)
    assert frame["input"].tolist() == ["What is it?", ["x", 1]]


def test_names_that_an_input_has_are_kept_for_it(server, engine):
    """Where inputs have `id`, `expected` or a metadata key, the item's own stand in other columns."""
    item = {
        "id": "a",
        "input": {"id": 7, "expected": "x", "topic": "y"},
        "expectedOutput": "z",
        "metadata": {"topic": 1},
    }
    dataset(server, "odd", item)
    frame = tk.from_langfuse("odd", metadata=["topic"], engine=engine)
    assert frame.to_dict("records") == [
        {"item_id": "a", "id": 7, "expected": "x", "topic": "y", "metadata.topic": 1, "expected_output": "z"}
    ]
    dataset(server, "odder", {"input": {"id": 1, "item_id": 2}})
    with pytest.raises(UsageError, match="both 'id' and 'item_id'"):
        tk.from_langfuse("odder", engine=engine)


def test_a_version_is_a_moment(server, engine):
    """With `version` the items are those of that moment, given as text or as a datetime."""
    dataset(server, "reviews", REVIEWS[0])
    before = dt.datetime.now(dt.UTC)
    dataset(server, "reviews", REVIEWS[1])
    for version in (before, before.isoformat()):
        frame = tk.from_langfuse("reviews", version=version, engine=engine)
        assert frame["id"].tolist() == ["item-0"]
        assert frame.attrs["langfuse"]["version"] == before.isoformat().replace("+00:00", "Z")
    assert len(tk.from_langfuse("reviews", engine=engine)) == 2


def test_a_server_without_versions_is_found_out(server, engine):
    """An answer with items that are younger than the version asked for is an error, not a table."""
    server.control(next=[{"status": 200, "body": recording(number)["response"]["body"]} for number in (43, 45)])
    with pytest.raises(LangfuseError, match="knows no versions of datasets"):
        tk.from_langfuse("reviews", version="2026-01-01", engine=engine)


def test_an_unknown_dataset_is_told_with_the_nearest_names(server, engine):
    """A slip in the name is an error with the names that there are."""
    dataset(server, "reviews")
    dataset(server, "team/questions")
    with pytest.raises(LangfuseError, match=r"no dataset 'revews'. Did you mean 'reviews'\? Known: reviews") as refused:
        tk.from_langfuse("revews", engine=engine)
    assert refused.value.status == 404


def test_a_name_with_a_slash_is_one_name(server, engine):
    """A dataset in a folder is found by its whole name."""
    dataset(server, "team/questions", {"id": "a", "input": {"q": 1}})
    assert tk.from_langfuse("team/questions", engine=engine)["q"].tolist() == [1]


def test_a_dataset_without_items_is_told_as_such(server, engine):
    """An empty dataset is an error that says so."""
    dataset(server, "empty")
    with pytest.raises(LangfuseError, match="'empty' has no items"):
        tk.from_langfuse("empty", engine=engine)


def test_a_sample_of_a_dataset_keeps_its_order(server, engine):
    """A dataset comes whole unless a sample is asked for, which the seed draws."""
    dataset(server, "many", *({"id": f"i{place}", "input": {"n": place}} for place in range(20)))
    drawn = [tk.from_langfuse("many", sample=5, seed=seed, engine=engine)["n"].tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(len(numbers) == 5 and numbers == sorted(numbers) for numbers in drawn)


def test_texts_of_a_dataset_go_through_redact(server, engine):
    """Every text but the item's id is masked, expected answers and nested texts included."""
    dataset(server, "people", {"id": "ann-1", "input": {"who": "ann", "also": ["ann", 1]}, "expectedOutput": "ann"})
    frame = tk.from_langfuse("people", redact=lambda name, text: f"<{name}>", engine=engine)
    assert frame.to_dict("records") == [
        {"id": "ann-1", "who": "<who>", "also": ["<also>", 1], "expected": "<expected>"},
    ]


class Held:
    """Stands for the SDK's dataset or item."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


def test_a_dataset_that_is_held_already_is_not_fetched_again(server, engine):
    """What the SDK has fetched gives the same rows, and nothing is asked."""
    dataset(server, "reviews", *REVIEWS)
    asked_for = tk.from_langfuse("reviews", engine=engine)
    before = len(server.requests())
    at = [dt.datetime(2026, 1, day, tzinfo=dt.UTC) for day in (1, 2, 3)]
    items = [
        Held(id="gone", input={}, expected_output=None, status=Held(value="ARCHIVED"), created_at=at[2]),
        Held(id="item-1", input={"review": "Broke at once"}, expected_output="negative", created_at=at[1]),
        Held(id="item-0", input={"review": "Loved it"}, expected_output="positive", created_at=at[0]),
    ]
    frame = tk.from_langfuse(Held(id="d1", name="reviews", items=items, version=at[2]), engine=engine)
    assert frame.to_dict("records") == asked_for.to_dict("records")
    assert frame.attrs["langfuse"]["version"] == "2026-01-03T00:00:00Z"
    assert frame.attrs["langfuse"]["left_out"] == {"archived": 1}
    assert len(server.requests()) == before


def test_what_is_no_dataset_is_refused(engine):
    """A number or a list is neither a name nor a dataset."""
    with pytest.raises(UsageError, match="got something of type 'list'"):
        tk.from_langfuse(["reviews"], engine=engine)


def test_a_dataset_sweeps_without_a_warning(server, engine):
    """The columns are what a sweep takes; a metadata column is named among the labels."""
    hold(server, "judge", "Is this good? {{review}}")
    dataset(server, "reviews", *({**item, "metadata": {"topic": "shoes"}} for item in REVIEWS))
    frame = tk.from_langfuse("reviews", metadata=["topic"], engine=engine)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan = tk.plan("judge@1", "local/smollm2-135m-instruct", frame, labels=["topic"], engine=engine)
    assert plan.trials == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": " "}, r"`dataset` is the name of a Langfuse dataset; got ' '"),
        ({"metadata": "topic"}, r"`metadata` is a list of keys such as \['topic'\]; got 'topic'"),
        ({"metadata": ["topik"]}, "There is no key 'topik'. Did you mean 'topic'"),
        ({"redact": "mask"}, "`redact` is a function of a variable's name and a text, or None; got 'mask'"),
    ],
)
def test_a_slip_is_told_before_a_table_is_made(server, engine, arguments, message):
    """An empty name, a key that no item has, keys that are no list and a mask that cannot be called are refused."""
    dataset(server, "reviews", *REVIEWS)
    with pytest.raises(UsageError, match=message):
        tk.from_langfuse(**{"dataset": "reviews", **arguments}, engine=engine)


def test_a_version_before_the_first_item_is_told_as_such(server, engine):
    """A dataset that had no items then is not called empty."""
    dataset(server, "reviews", *REVIEWS)
    with pytest.raises(LangfuseError, match="'reviews' had no items at 2020-01-01T00:00:00Z; give a later `version`"):
        tk.from_langfuse("reviews", version="2020-01-01", engine=engine)


@pytest.mark.parametrize("body", ["", [], '"text"'])
def test_an_answer_that_is_no_dataset_is_an_error(server, engine, body):
    """Whatever JSON comes in place of a dataset, the error is ours and names the dataset."""
    dataset(server, "reviews", *REVIEWS)
    server.control(next=[{"status": 200, "body": body, "path": "/api/public/v2/datasets"}])
    with pytest.raises(LangfuseError, match="asked for the dataset 'reviews' and answered something else"):
        tk.from_langfuse("reviews", engine=engine)
