"""Scores and comments of the real SDK: each is held once and read back by what it is on."""

from typing import Any

import pytest

pytestmark = pytest.mark.langfuse_sdk

_SCORES = """
trace, at = "0123456789abcdef0123456789abcdef", datetime.datetime(2026, 11, 22, 13, 7, tzinfo=datetime.timezone.utc)

def put(name, value, **more):
    client.create_score(name=name, value=value, **{"trace_id": trace, "score_id": name, "timestamp": at, **more})
"""


def test_each_type_of_score_is_read_back(sdk: Any):
    """Numbers, truths, categories and texts keep their type and value; comment and metadata come where asked for."""
    read = sdk(
        _SCORES
        + """
put("number", 0.25, comment="a quarter", metadata={"why": "because"})
put("truth", 1, data_type="BOOLEAN", observation_id="0123456789abcdef")
put("category", "good")
put("text", "well said", data_type="TEXT")
client.flush()
rows = list_scores(trace_id=trace, fields="details,subject").data
print(json.dumps(sorted([row.name, row.data_type, row.value, row.comment, row.metadata, row.subject.kind]
                        for row in rows)))
"""
    )
    assert read == [
        ["category", "CATEGORICAL", "good", None, {}, "trace"],
        ["number", "NUMERIC", 0.25, "a quarter", {"why": "because"}, "trace"],
        ["text", "TEXT", "well said", None, {}, "trace"],
        ["truth", "BOOLEAN", True, None, {}, "observation"],
    ]


def test_a_score_that_comes_again_is_held_once(sdk: Any, held: Any):
    """A score with the identifier and the timestamp of an earlier one takes its place."""
    read = sdk(
        _SCORES
        + """
put("quality", 0.25)
client.flush()
put("quality", 0.75)
client.flush()
print(json.dumps([row.value for row in list_scores(id="quality").data]))
"""
    )
    assert read == [0.75]
    assert len(held()["scores"]) == 1


def test_scores_are_found_by_name_and_observation(sdk: Any):
    """The list of scores is narrowed by names, by observation within a trace, and read page by page."""
    read = sdk(
        _SCORES
        + """
for number in range(5):
    put(f"s{number}", number, observation_id=f"{number % 2:016x}")
client.flush()
names, cursor = [], None
while True:
    page = list_scores(limit=2, cursor=cursor)
    names += [row.name for row in page.data]
    cursor = page.meta.cursor
    if cursor is None:
        break
one = list_scores(trace_id=trace, observation_id="0" * 15 + "1").data
two = list_scores(name="s0,s4").data
print(json.dumps([sorted(names), sorted(row.name for row in one), sorted(row.name for row in two)]))
"""
    )
    assert read == [["s0", "s1", "s2", "s3", "s4"], ["s1", "s3"], ["s0", "s4"]]


def test_comments(sdk: Any, ask: Any, held: Any):
    """A comment on a prompt's version is held and read back; one on nothing is refused."""
    key = ask("POST", "v2/prompts", {"name": "reply", "prompt": "Hello"})["id"]
    read = sdk(
        f"""
        key = {key!r}
        made = client.api.comments.create(project_id="proj-test", object_type="PROMPT", object_id=key, content="proof")
        (found,) = client.api.comments.get(object_type="PROMPT", object_id=key).data
        try:
            client.api.comments.create(project_id="proj-test", object_type="TRACE", object_id="none", content="x")
        except Exception as error:
            refused = type(error).__name__
        print(json.dumps([made.id == found.id, found.content, found.object_type, refused]))
        """
    )
    assert read == [True, "proof", "PROMPT", "NotFoundError"]
    assert [row["content"] for row in held()["comments"]] == ["proof"]


def test_the_project(sdk: Any):
    """The SDK's check of its keys finds the project."""
    assert sdk("print(json.dumps([client.auth_check(), client.api.projects.get().data[0].id]))") == [True, "proj-test"]
