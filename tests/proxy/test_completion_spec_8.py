"""Section 8 of the completion path, line by line: routes, extras, refusals, headers, errors, split, binding, keys."""

from __future__ import annotations

import json
import re
import subprocess

import httpx
import openai
import pytest

from tests.proxy.running import CHAT, proxy_command

MANAGED = {"model": "my-langfuse-model", "prompt_variables": {"key": "this is used"}}


@pytest.fixture
def client(proxy):
    """The real OpenAI client, with the base URL that LiteLLM's document has."""
    with httpx.Client(trust_env=False) as http:
        yield openai.OpenAI(
            api_key="anything", base_url=f"http://0.0.0.0:{proxy.port}", max_retries=0, http_client=http
        )


@pytest.mark.line("8.4")
@pytest.mark.parametrize("path", [CHAT, "/chat/completions", "/openai/deployments/openai-model/chat/completions"])
def test_routes_of_completions(proxy, path):
    """Completions are answered on all three paths; a deployment's name in the path is the model."""
    body = {"messages": [{"role": "user", "content": "hello"}]}
    if "deployments" not in path:
        body["model"] = "openai-model"
    answer = proxy.post(body, path=path)
    assert (answer.status, answer.json["model"]) == (200, "openai-model")
    assert answer.text.endswith(" hello")


@pytest.mark.line("8.5")
@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_models_are_the_config_s_names(proxy, path):
    """The list of models has each name of model_list once, in the file's order, in OpenAI's form."""
    listing = proxy.get(path).json
    assert listing["object"] == "list"
    assert [model["id"] for model in listing["data"]] == [
        "my-langfuse-model", "openai-model", "gpt-3.5-turbo", "no-prompt-id", "split",
    ]  # fmt: skip
    assert {model["object"] for model in listing["data"]} == {"model"}


@pytest.mark.line("8.6")
def test_health(proxy):
    """/health answers ok."""
    assert (proxy.get("/health").status, proxy.get("/health").json) == (200, {"status": "ok"})


@pytest.mark.line("8.8")
def test_quick_start_with_curl(proxy, upstream):
    """The document's curl command works as written: 0.0.0.0, any bearer key, messages ignored, variables used."""
    command = [
        "curl", "-sS", "-L", "-X", "POST", f"http://0.0.0.0:{proxy.port}/v1/chat/completions",
        "-H", "Content-Type: application/json", "-H", "Authorization: Bearer sk-1234", "-d",
        """{
    "model": "my-langfuse-model",
    "messages": [
        {
            "role": "user",
            "content": "THIS WILL BE IGNORED"
        }
    ],
    "prompt_variables": {
        "key": "this is used"
    }
}""",
    ]  # fmt: skip
    shown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert shown["choices"][0]["message"]["content"].endswith(" Say this is used.")
    (request,) = upstream.requests()
    assert request["body"] == {
        "model": "small", "messages": [{"role": "user", "content": "Say this is used."}], "temperature": 0.5,
    }  # fmt: skip
    assert request["headers"]["authorization"] == "Bearer sk-of-the-proxy"


@pytest.mark.line("8.8")
def test_quick_start_with_the_openai_client(client, upstream):
    """The document's OpenAI client works as written: extra_body brings the prompt's variables."""
    response = client.chat.completions.create(
        model="my-langfuse-model",
        messages=[{"role": "user", "content": "this is a request, write a short poem"}],
        extra_body={"prompt_variables": {"key": "this is used"}},
    )
    assert response.choices[0].message.content.endswith(" Say this is used.")
    assert response.model == "my-langfuse-model"
    assert response.usage.total_tokens > 0
    assert upstream.requests()[0]["body"]["messages"] == [{"role": "user", "content": "Say this is used."}]


def test_the_openai_client_streams(client):
    """The OpenAI client reads a stream chunk by chunk, each with the alias as its model."""
    chunks = list(
        client.chat.completions.create(
            model="openai-model",
            messages=[{"role": "user", "content": "one two three"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.endswith(" one two three")
    assert {chunk.model for chunk in chunks} == {"openai-model"}
    assert chunks[-1].usage.completion_tokens == 4


def test_the_openai_client_lists_models(client):
    """The OpenAI client reads the list of models."""
    assert "openai-model" in [model.id for model in client.models.list()]


@pytest.mark.line("8.14")
def test_stream_ends_with_done(proxy):
    """A stream is server-sent events, the last of which is [DONE]."""
    answer = proxy.ask("openai-model", "one two", stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert answer.text.endswith(" one two")


@pytest.mark.line("8.7")
@pytest.mark.parametrize(
    ("extras", "sent"),
    [
        ({}, "Say A."),
        ({"prompt_version": 2}, "Shout A!"),
        ({"prompt_version": "2"}, "Shout A!"),
        ({"prompt_label": "loud"}, "Shout A!"),
        ({"prompt_id": "team/other"}, "Other A."),
    ],
)
def test_a_request_s_values_replace_the_deployment_s(proxy, upstream, extras, sent):
    """prompt_id, prompt_version and prompt_label of a request go before those of the deployment."""
    assert proxy.post({"model": "my-langfuse-model", "prompt_variables": {"key": "A"}, **extras}).status == 200
    assert upstream.requests()[0]["body"]["messages"] == [{"role": "user", "content": sent}]


@pytest.mark.line("8.10")
@pytest.mark.parametrize("messages", [{}, {"messages": []}, {"messages": "anything"}, {"messages": None}])
def test_messages_are_optional_for_managed_deployments(proxy, messages):
    """A managed deployment needs no messages, and ignores whatever stands there."""
    assert proxy.post({**MANAGED, **messages}).text.endswith(" Say this is used.")


def test_plain_deployments_need_messages(proxy):
    """A deployment without a prompt needs messages; the error says so."""
    answer = proxy.post({"model": "openai-model"})
    assert (answer.status, answer.error["param"]) == (400, "messages")


@pytest.mark.line("8.9", "8.21")
@pytest.mark.parametrize("wrong", ["text", ["a"], 1, True])
def test_variables_are_a_map(proxy, wrong):
    """prompt_variables that are no map are refused with 400, and nothing is sent."""
    answer = proxy.post({"model": "my-langfuse-model", "prompt_variables": wrong})
    assert (answer.status, answer.error["param"], answer.error["type"]) == (
        400, "prompt_variables", "invalid_request_error",
    )  # fmt: skip


@pytest.mark.line("8.12")
@pytest.mark.parametrize(
    "field",
    ["api_base", "api_key", "base_url", "api_version", "langfuse_host", "langfuse_secret", "langfuse_public_key",
     "langfuse_secret_key", "langfuse_anything", "humanloop_api_key", "extra_headers", "extra_body"],
)  # fmt: skip
def test_fields_that_are_not_a_client_s_are_refused(proxy, upstream, field):
    """api_base, api_key, langfuse_* and their like are refused with 400, and nothing is sent."""
    answer = proxy.post({**MANAGED, field: "http://evil.invalid"})
    assert (answer.status, answer.error["param"]) == (400, field)
    assert upstream.requests() == []


@pytest.mark.line("8.11")
def test_unknown_fields_are_left_out_and_named(proxy, upstream):
    """A field that is on no list never goes upstream; a header names it."""
    answer = proxy.ask("openai-model", no_such_field={"api_base": "http://evil.invalid"})
    assert (answer.status, answer.headers["x-toolkit-dropped-fields"]) == (200, "no_such_field")
    assert sorted(upstream.requests()[0]["body"]) == ["messages", "model"]


def test_chat_parameters_go_upstream(proxy, upstream):
    """OpenAI's own fields are sent on as they are, and go before the prompt's."""
    proxy.post({**MANAGED, "temperature": 1, "max_tokens": 7, "metadata": {"a": "b"}})
    body = upstream.requests()[0]["body"]
    assert (body["temperature"], body["max_tokens"], body["metadata"]) == (1, 7, {"a": "b"})


@pytest.mark.line("8.13")
def test_the_answer_s_model_is_the_alias(proxy):
    """The model of an answer, whole or streamed, is the name that was asked for."""
    assert proxy.ask("openai-model").json["model"] == "openai-model"
    assert {event["model"] for event in proxy.ask("openai-model", stream=True).events} == {"openai-model"}


@pytest.mark.line("8.16", "8.17")
def test_headers_out(proxy):
    """The answer's headers say which prompt and version was used, from where, on which model, and which call it was."""
    headers = proxy.post(MANAGED).headers
    shown = {name.removeprefix("x-toolkit-"): value for name, value in headers.items() if name.startswith("x-toolkit-")}
    assert re.fullmatch(r"c1:[0-9a-f]{32}", shown.pop("request-id"))
    assert shown == {
        "prompt-id": "greet", "prompt-version": "1", "prompt-source": "langfuse", "model": "openai/small",
    }  # fmt: skip


@pytest.mark.line("8.18")
def test_the_cost_is_a_header_where_it_is_known(tmp_path, upstream):
    """x-toolkit-cost is the call's price in USD; without a known price there is no such header."""
    config = (
        f"model_list: [{{model_name: m, litellm_params: {{model: openai/gpt-4o-mini, api_base: '{upstream.url}/v1'}}}}]"
    )
    with proxy_command(tmp_path, config) as running:
        # 2 tokens in and 3 out ("<digest> one two"), at 0.15 and 0.60 USD a million.
        assert float(running.ask("m", "one two").headers["x-toolkit-cost"]) == pytest.approx(2 * 0.15e-6 + 3 * 0.60e-6)


@pytest.mark.line("8.16")
def test_streams_have_the_headers_too(proxy):
    """A stream's headers say the same as a whole answer's."""
    headers = proxy.post({**MANAGED, "stream": True}).headers
    assert (headers["x-toolkit-prompt-id"], headers["x-toolkit-prompt-version"]) == ("greet", "1")


@pytest.mark.line("8.19", "8.20", "8.21")
@pytest.mark.parametrize(
    ("body", "status", "kind", "param"),
    [
        ({**MANAGED, "prompt_id": "nope"}, 404, "invalid_request_error", "prompt_id"),
        ({**MANAGED, "prompt_version": 99}, 404, "invalid_request_error", "prompt_id"),
        ({**MANAGED, "prompt_label": "nope"}, 404, "invalid_request_error", "prompt_id"),
        ({"model": "no-prompt-id"}, 400, "invalid_request_error", "prompt_id"),
        ({"model": "openai-model", "prompt_id": "greet", "messages": []}, 400, "invalid_request_error", "prompt_id"),
        ({"model": "nope", "messages": [{"role": "user", "content": "a"}]}, 400, "invalid_request_error", "model"),
        ({"messages": [{"role": "user", "content": "a"}]}, 400, "invalid_request_error", "model"),
        ({"model": 7}, 400, "invalid_request_error", "model"),
        ({**MANAGED, "prompt_version": 1, "prompt_label": "loud"}, 400, "invalid_request_error", "prompt_version"),
        ({**MANAGED, "prompt_version": True}, 400, "invalid_request_error", "prompt_version"),
        ({**MANAGED, "prompt_id": ["greet"]}, 400, "invalid_request_error", "prompt_id"),
        ({**MANAGED, "stream": "yes"}, 400, "invalid_request_error", "stream"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_errors(proxy, upstream, body, status, kind, param, stream):
    """What is wrong has a status, a type, the field's name and a code that is text; nothing is sent."""
    answer = proxy.post({"stream": stream, **body})
    assert (answer.status, answer.error["type"], answer.error["param"]) == (status, kind, param)
    assert answer.error["code"] == str(status)
    assert sorted(answer.error) == ["code", "message", "param", "type"]
    assert upstream.requests() == []


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ({"status": 401, "times": None}, 502, "upstream_error"),
        ({"status": 400, "times": None}, 400, "invalid_request_error"),
        ({"status": 404, "times": None}, 502, "upstream_error"),
        ({"status": 429, "times": None, "headers": {"retry-after": "0"}}, 429, "rate_limit_error"),
        ({"status": 500, "times": None, "headers": {"retry-after": "0"}}, 502, "upstream_error"),
    ],
)  # fmt: skip
def test_upstream_errors(proxy, upstream, fault, status, kind):
    """A provider's failure is an error of the gateway's, except where the client can do something about it."""
    upstream.control(**fault)
    answer = proxy.ask("openai-model")
    assert (answer.status, answer.error["type"], answer.error["code"]) == (status, kind, str(status))


@pytest.mark.line("8.24")
@pytest.mark.parametrize("key", ["user", "x-toolkit-sticky-key"])
def test_a_split_is_sticky(proxy, upstream, key):
    """Among weighted deployments of one name, the same user, else the same sticky key, always gets the same one."""
    for number in range(12):
        for _ in range(2):
            fields, headers = ({"user": f"u{number}"}, {}) if key == "user" else ({}, {key: f"u{number}"})
            body = {"model": "split", "messages": [{"role": "user", "content": f"{number}"}], **fields}
            assert proxy.post(body, headers=headers).status == 200
    served: dict[str, set[str]] = {}
    for request in upstream.requests():
        served.setdefault(request["body"]["messages"][0]["content"], set()).add(request["body"]["model"])
    assert len(served) == 12
    assert all(len(models) == 1 for models in served.values())
    assert {model for models in served.values() for model in models} == {"small", "large"}


@pytest.mark.line("8.24")
def test_the_user_goes_before_the_sticky_key(proxy, upstream):
    """Where both are given, the user decides."""
    for number in range(12):
        body = {"model": "split", "user": "u1", "messages": [{"role": "user", "content": "a"}]}
        proxy.post(body, headers={"x-toolkit-sticky-key": f"{number}"})
    assert len({request["body"]["model"] for request in upstream.requests()}) == 1


@pytest.mark.line("5.15")
def test_each_deployment_has_its_own_key(proxy, upstream):
    """The deployments of one name are asked with the key of each."""
    for number in range(12):
        proxy.ask("split", user=f"u{number}")
    keys = {(request["body"]["model"], request["headers"]["authorization"]) for request in upstream.requests()}
    assert keys == {("small", "Bearer k-one"), ("large", "Bearer k-two")}


KEYED = """
general_settings: {{master_key: os.environ/MY_MASTER_KEY}}
model_list:
  - model_name: m
    litellm_params: {{model: openai/small, api_base: "{upstream}/v1"}}
"""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory, openai_server):
    """A proxy with a master key."""
    config = KEYED.format(upstream=openai_server.url)
    with proxy_command(tmp_path_factory.mktemp("keyed"), config, MY_MASTER_KEY="sk-1234") as running:
        yield running


@pytest.mark.line("8.22", "8.28")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": "Bearer sk-12345"}, 401),
        ({"authorization": "Basic sk-1234"}, 401),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "sk-123"}, 401),
        ({"authorization": "Bearer sk-1234"}, 200),
        ({"authorization": "bearer sk-1234"}, 200),
        ({"x-api-key": "sk-1234"}, 200),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/models"])
def test_the_master_key_is_needed(keyed, headers, status, path):
    """With a master key, no key and a wrong one are 401 auth_error; Bearer and x-api-key are taken."""
    if path == CHAT:
        answer = keyed.post({"model": "m", "messages": [{"role": "user", "content": "a"}]}, headers=headers)
    else:
        answer = keyed.get(path, **headers)
    assert answer.status == status
    if status == 401:
        assert (answer.error["type"], answer.error["code"]) == ("auth_error", "401")
        assert "sk-1234" not in answer.body.decode()


@pytest.mark.line("8.1")
def test_it_binds_loopback(proxy):
    """Without --host, the proxy listens on 127.0.0.1 and nowhere else."""
    assert f"http://127.0.0.1:{proxy.port}" in proxy.log().splitlines()[0]


@pytest.mark.line("8.33")
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_json_only(proxy, upstream, content_type):
    """A body of any other type than JSON is refused: a web page can send those without asking."""
    answer = proxy.post(json.dumps(MANAGED).encode(), headers={"content-type": content_type})
    assert (answer.status, upstream.requests()) == (415, [])


@pytest.mark.line("8.34")
def test_a_body_has_at_most_10_mb(proxy, upstream):
    """A body of 10,000,000 bytes is read, and one byte more is refused with 413."""
    start = b'{"model": "openai-model", "messages": [{"role": "user", "content": "'
    end = b'"}]}'
    fitting = start + b"a" * (10_000_000 - len(start) - len(end)) + end
    assert proxy.post(fitting).status == 200
    assert proxy.post(fitting + b" ").status == 413
    assert len(upstream.requests()) == 1


@pytest.mark.line("8.32")
def test_no_cors_headers(proxy):
    """No answer allows another origin anything, and the question is refused."""
    asked = proxy.send(
        "OPTIONS", CHAT, headers={"origin": "http://evil.invalid", "access-control-request-method": "POST"}
    )
    assert asked.status == 403
    for answer in (asked, proxy.post(MANAGED), proxy.get("/v1/models")):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.line("8.35")
def test_a_client_of_any_address_reaches_the_loopback(proxy):
    """The Host 0.0.0.0 with our port is served when there is no Origin, and refused when there is."""
    host = f"0.0.0.0:{proxy.port}"
    assert proxy.get("/v1/models", host=host).status == 200
    assert proxy.get("/v1/models", host=host, origin=f"http://{host}").status == 403
