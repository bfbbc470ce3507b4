"""The client of one Langfuse project: what it asks again, what it does not, and how its errors read."""

from __future__ import annotations

import pytest

from tests.langfuse.pushing import settings_for
from tests.servers.fake_langfuse import PUBLIC_KEY, SECRET_KEY
from toolkit._http import HttpClient
from toolkit._sync import run
from toolkit.errors import LangfuseError
from toolkit.langfuse import LangfuseClient

PROJECTS = "/api/public/projects"
SCORES = "/api/public/scores"
BODY = {"id": "s-1", "traceId": "t-1", "name": "exact", "value": 1}


class Waits:
    """Stands in for sleeping: notes the seconds and goes on at once."""

    def __init__(self):
        self.seconds = []

    async def __call__(self, seconds):
        self.seconds.append(seconds)


@pytest.fixture
def waits():
    """What the client would have waited."""
    return Waits()


@pytest.fixture
def client(langfuse, waits):
    """A client of the fake project."""
    http = HttpClient()
    yield LangfuseClient(settings_for(langfuse), http, sleep=waits)
    run(http.aclose())


def failing(call):
    """The error that a call ends with."""
    with pytest.raises(LangfuseError) as caught:
        run(call)
    return caught.value


async def listed(rows):
    return [row async for row in rows]


def test_a_limit_is_waited_out_as_long_as_the_server_asks(langfuse, client, waits):
    """A 429 is asked again after its Retry-After, whatever is asked."""
    slow = {"status": 429, "headers": {"retry-after": "11"}, "body": {"message": "slow down"}}
    langfuse.control(next=[slow, slow])
    assert run(client.post(SCORES, BODY)) == {"id": "s-1"}
    assert waits.seconds == [11.0, 11.0]


def test_a_limit_that_does_not_end_is_an_error(langfuse, client, waits):
    """After eight further tries a 429 is an error that a later try may help."""
    langfuse.control(next=[{"status": 429, "headers": {"retry-after": "999"}, "body": {"message": "slow down"}}] * 9)
    error = failing(client.get(PROJECTS))
    assert (error.status, error.retryable, error.possibly_taken) == (429, True, False)
    assert waits.seconds == [60.0] * 8


@pytest.mark.parametrize("fault", [{"status": 503, "body": "busy"}, {"drop": True}], ids=["503", "broken"])
def test_a_question_is_asked_again(langfuse, client, fault):
    """A GET is asked again after a failing server and a broken connection."""
    langfuse.control(next=[fault, fault])
    assert run(client.project()) == ("proj-test", "TestProject")


@pytest.mark.parametrize(
    "fault",
    [{"status": 503, "body": "busy"}, {"drop": True}, {"drop_after": True}],
    ids=["503", "broken", "broken after"],
)
def test_what_is_written_is_not_written_again(langfuse, client, fault):
    """A POST whose fate is not known is not sent again, and the error says that it may have been taken."""
    langfuse.control(next=[fault])
    error = failing(client.post(SCORES, BODY))
    assert (error.possibly_taken, error.retryable, len(langfuse.requests())) == (True, True, 1)


@pytest.mark.parametrize("fault", [{"status": 503, "body": "busy"}, {"drop": True}], ids=["503", "broken"])
def test_what_may_come_twice_is_written_again(langfuse, client, fault):
    """A POST that the server may get twice is sent again like a question."""
    langfuse.control(next=[fault, fault])
    assert run(client.post(SCORES, BODY, is_repeatable=True)) == {"id": "s-1"}


def test_nobody_there_is_said(langfuse, waits):
    """A host where nothing answers is tried three times and named; nothing can have been taken."""
    http = HttpClient()
    error = failing(LangfuseClient(settings_for("http://127.0.0.1:9"), http, sleep=waits).post(SCORES, BODY))
    run(http.aclose())
    assert "Langfuse at 'http://127.0.0.1:9', asked POST /api/public/scores: no answer came" in str(error)
    assert (error.status, error.retryable, error.possibly_taken, len(waits.seconds)) == (None, True, False, 2)


def test_a_server_without_encryption_is_said(langfuse, waits):
    """Where https:// meets a server that speaks http://, no certificate is blamed."""
    http = HttpClient()
    address = langfuse.url.replace("http://", "https://")
    error = failing(LangfuseClient(settings_for(address), http, sleep=waits).get(PROJECTS))
    run(http.aclose())
    assert "check whether LANGFUSE_HOST is https:// or http://" in str(error)
    assert "certificate" not in str(error)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"message": "Invalid credentials"}, "LANGFUSE_PUBLIC_KEY"),
        (403, {"message": "Not on this plan"}, "may not do this"),
        (404, {"message": "Dataset not found"}, "no such thing in this project"),
        (404, "<!DOCTYPE html><title>404</title>", "new enough"),
        (302, "", "redirects"),
        (400, {"message": "Invalid request data", "error": [{"message": "name is missing"}]}, "name is missing"),
        (200, "<!DOCTYPE html><title>Sign in</title>", "Check LANGFUSE_HOST"),
        (404, {"error": {"code": "unknown_url"}}, "JSON of another form than expected"),
    ],
)
def test_a_refusal_says_what_to_do(langfuse, client, status, body, words):
    """An error names what was asked, the status and what to do, and shows no key."""
    langfuse.control(next=[{"status": status, "body": body}])
    error = failing(client.get(PROJECTS))
    said = str(error)
    assert words in said
    assert "asked GET /api/public/projects" in said
    assert f"(HTTP {status})" in said
    assert (error.status, error.retryable) == (status, False)
    assert PUBLIC_KEY not in said
    assert SECRET_KEY not in said


def test_a_list_in_pages_is_read_to_its_end(langfuse, client):
    """Every row of a numbered list is given once."""
    run(client.post("/api/public/v2/datasets", {"name": "words"}))
    for number in range(5):
        body = {"datasetName": "words", "id": f"item-{number}", "input": number}
        run(client.post("/api/public/dataset-items", body))
    rows = run(listed(client.pages("/api/public/dataset-items", {"datasetName": "words", "limit": 2})))
    assert sorted(row["id"] for row in rows) == [f"item-{number}" for number in range(5)]
    assert sum(each["method"] == "GET" for each in langfuse.requests()) == 3


def test_a_list_by_cursor_is_read_to_its_end(langfuse, client):
    """Every row of a list whose pages name the next one is given once."""
    for number in range(5):
        run(client.post(SCORES, {**BODY, "id": f"s-{number}"}))
    rows = run(listed(client.cursor_pages("/api/public/v3/scores", {"limit": 2})))
    assert sorted(row["id"] for row in rows) == [f"s-{number}" for number in range(5)]


@pytest.mark.parametrize(
    "body", [[], {"data": "no"}, {"data": [1]}, {"data": [], "meta": {}}, {"data": [], "meta": []}]
)
def test_a_list_that_is_none_is_an_error(langfuse, client, body):
    """An answer that is no list of maps is told as such."""
    langfuse.control(next=[{"status": 200, "body": body}])
    with pytest.raises(LangfuseError, match="not what Langfuse promises"):
        run(listed(client.pages("/api/public/dataset-items")))


def test_the_project_is_asked_for_once(langfuse, client):
    """The project's id and name are kept."""
    assert [run(client.project()), run(client.project())] == [("proj-test", "TestProject")] * 2
    assert len(langfuse.requests()) == 1


def test_an_empty_answer_is_nothing(langfuse, client):
    """A success without a body is `None`."""
    langfuse.control(next=[{"status": 200, "body": ""}])
    assert run(client.post(SCORES, BODY)) is None
