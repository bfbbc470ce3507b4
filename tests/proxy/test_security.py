"""What the proxy refuses: browsers, other hosts, smuggled requests, hostile bodies and configs; where keys stay."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import string

import pytest

from tests.proxy.conftest import CONFIG, KEYS
from tests.proxy.running import CHAT, proxy_command, wait_until

MANAGED = {"model": "my-langfuse-model", "prompt_variables": {"key": "A"}}
PLAIN = {"model": "openai-model", "messages": [{"role": "user", "content": "hello"}]}


def request(port, *, host=None, lines=(), body=PLAIN, target=CHAT, method="POST"):
    """A request as bytes, with a Host of our choice."""
    content = json.dumps(body).encode()
    head = [
        f"{method} {target} HTTP/1.1",
        *([] if host == "" else [f"Host: {host or f'127.0.0.1:{port}'}"]),
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "Connection: close",
        *lines,
    ]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + content


def status_of(answer):
    """The status of raw bytes; 0 when the connection was closed without an answer."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "0.0.0.0"])  # noqa: S104
def test_hosts_of_the_loopback_are_served(proxy, name):
    """Requests that name the loopback and our port come in."""
    assert status_of(proxy.raw(request(proxy.port, host=f"{name}:{proxy.port}"))) == 200


@pytest.mark.line("8.30")
@pytest.mark.parametrize(
    "host",
    ["evil.test", "evil.test:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.test:{port}",
     "localhost:{port}.evil.test", "evil.test/127.0.0.1:{port}", "127.0.0.1:{port}/", "127.0.0.1:{port}?",
     "127.0.0.1:{port}#", "evil@127.0.0.1:{port}", "127.0.0.1:{port}@evil.test", "127.0.0.1:{port} evil",
     "127.0.0.1:{port}, evil.test", "2130706433:{port}",
     "0x7f.0.0.1:{port}", "192.168.0.1:{port}", "", "[::1", "\xff:{port}"],
)  # fmt: skip
def test_other_hosts_are_refused(proxy, upstream, host):
    """A Host that is not the loopback's with our port is refused, and nothing is sent: DNS rebinding ends here."""
    answer = proxy.raw(request(proxy.port, host=host.format(port=proxy.port)))
    assert status_of(answer) in (400, 403)
    assert upstream.requests() == []


def test_two_hosts_are_refused(proxy, upstream):
    """A request with two Host headers is refused, whichever comes first."""
    right = f"Host: 127.0.0.1:{proxy.port}"
    assert status_of(proxy.raw(request(proxy.port, host="evil.test", lines=[right]))) in (400, 403)
    assert status_of(proxy.raw(request(proxy.port, lines=["Host: evil.test"]))) in (400, 403)
    assert upstream.requests() == []


@pytest.mark.parametrize("target", ["http://evil.test/v1/chat/completions", "*", "evil.test:443", "//evil.test" + CHAT])
def test_only_paths_are_targets(proxy, upstream, target):
    """A request target that is no path of ours is refused."""
    assert status_of(proxy.raw(request(proxy.port, target=target))) in (400, 404)
    assert upstream.requests() == []


@pytest.mark.line("8.31")
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": "http://localhost:8888"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "nonsense"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_web_pages_are_refused(proxy, upstream, headers, method):
    """What a browser sends for a page of any other origin is refused, also from another port of this machine."""
    path = "/v1/models" if method == "GET" else CHAT
    content = json.dumps(PLAIN).encode() if method == "POST" else None
    assert proxy.send(method, path, content, {"content-type": "application/json", **headers}).status == 403
    assert upstream.requests() == []


SMUGGLED = (
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: +5",
    "Content-Length: -1",
    "Content-Length: 0x5",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding : chunked",
    "Content-Length: 5\r\n folded: x",
    "X-Nul: a\x00b",
)


@pytest.mark.parametrize("lines", SMUGGLED)
def test_ambiguous_requests_are_refused(proxy, upstream, lines):
    """A request whose end two readers could see in different places is refused, and what follows it is not read."""
    hidden = request(proxy.port, body={**PLAIN, "messages": [{"role": "user", "content": "smuggled"}]})
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\nContent-Type: application/json\r\n{lines}\r\n\r\n"
    answer = proxy.raw(head.encode("latin-1") + b"0\r\n\r\n" + hidden)
    assert status_of(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1
    assert upstream.requests() == []


@pytest.mark.parametrize(
    "content",
    [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\x00" * 100, b"A" * 70_000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
)
def test_what_is_not_http_is_refused(proxy, content):
    """Bytes that are no HTTP request are answered 400 or 431 in OpenAI's form, and the connection is closed."""
    answer = proxy.raw(content)
    assert status_of(answer) in (400, 431)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] in ("400", "431")


@pytest.mark.parametrize(
    "lines",
    [[f"X-{number}: a" for number in range(120)], ["X-Long: " + "a" * 40_000], ["X-" + "a" * 40_000 + ": b"]],
    ids=["many", "long value", "long name"],
)
def test_large_headers_are_refused(proxy, upstream, lines):
    """More than 100 headers, or more than 32 KB of them, are refused with 431."""
    assert status_of(proxy.raw(request(proxy.port, lines=lines))) == 431
    assert upstream.requests() == []


def test_headers_without_an_end_are_refused(proxy):
    """Headers that never end are refused once they are more than 32 KB, whole or not."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as connection:
        received = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(f"POST {CHAT} HTTP/1.1\r\nX-Long: ".encode())
            for _ in range(1000):
                connection.sendall(b"a" * 1000)
        with contextlib.suppress(ConnectionError):
            received = connection.recv(100)
    assert received == b"" or status_of(received) == 431


@pytest.mark.parametrize(
    "body",
    [
        b"", b"not json", b"[]", b"null", b'"text"', b"{", b"\xff\xfe", b'{"a":' * 100_000, b"[" * 1_000_000,
        *(json.dumps(PLAIN).encode()[:-1] + b', "seed": ' + number + b"}"
          for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"1" * 10_000, b"[" * 70 + b"]" * 70)),
    ],
    ids=lambda body: repr(body[-30:]),
)  # fmt: skip
def test_bodies_that_are_no_sound_json_are_refused(proxy, upstream, body):
    """Broken JSON, JSON that is no object, nested beyond 64, or with numbers that JSON has not, is 400."""
    answer = proxy.post(body)
    assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
    assert upstream.requests() == []


def test_64_levels_of_json_are_read(proxy):
    """A body of 64 levels comes in, and one of 65 does not."""
    for levels, status in ((64, 200), (65, 400)):
        # The body itself is the first level.
        nested: object = "end"
        for _ in range(levels - 1):
            nested = [nested]
        assert proxy.post({**PLAIN, "metadata": nested}).status == status


def test_of_equal_keys_the_last_counts(proxy, upstream):
    """A key that stands twice counts once: the last, here as everywhere."""
    body = b'{"model": "nope", "model": "openai-model", "messages": [{"role": "user", "content": "a"}]}'
    assert proxy.post(body).status == 200
    assert upstream.requests()[0]["body"]["model"] == "small"


LITELLM_STEERING = (
    "api_base base_url api_key api_version api_type organization extra_headers headers model_list fallbacks "
    "custom_llm_provider langfuse_host langfuse_public_key langfuse_secret langfuse_secret_key humanloop_api_key "
    "aws_access_key_id aws_secret_access_key aws_region_name aws_bedrock_runtime_endpoint vertex_project "
    "vertex_credentials azure_ad_token litellm_params litellm_metadata user_config mock_response router proxy "
    "input_cost_per_token num_retries guardrails tags cache no-log hf_model_name prompt_integration dotprompt_content "
    "prompt_directory global_prompt_directory s3_bucket_name __class__ __init__ self engine recorder draw access "
    "source_access timeout_s max_retries ignore_model strict dialect ssl_verify http_client callbacks"
).split()


@pytest.mark.line("8.11")
def test_no_field_steers_the_proxy(proxy, upstream):
    """Of 500 names of fields, LiteLLM's own among them, each is refused or left out and named; none goes upstream."""
    rng = random.Random(20261122)
    names = [*LITELLM_STEERING]
    while len(names) < 500:
        names.append("".join(rng.choices(string.ascii_lowercase + "_-.$ ", k=rng.randint(3, 20))))
    for name in names:
        answer = proxy.post({**PLAIN, name: "http://127.0.0.1:1/evil"})
        assert answer.status == 400 or name.strip() in answer.headers["x-toolkit-dropped-fields"], name
    for received in upstream.requests():
        assert sorted(received["body"]) == ["messages", "model"]
        assert "evil" not in json.dumps(received)


@pytest.mark.parametrize(
    "field",
    [
        "model",
        "messages",
        "prompt_id",
        "prompt_variables",
        "prompt_label",
        "prompt_version",
        "user",
        "stop",
        "metadata",
    ],
)
def test_references_to_the_environment_stay_text(proxy, upstream, field):
    """os.environ/NAME in a request is text or an error; the variable's value goes nowhere."""
    reference = "os.environ/OPENAI_API_KEY"
    value = {
        "messages": [{"role": "user", "content": reference}],
        "prompt_variables": {"key": reference},
        "metadata": {"a": reference},
    }.get(field, reference)
    base = MANAGED if field.startswith("prompt") else PLAIN
    answer = proxy.post({**base, field: value})
    assert answer.status in (200, 400, 404)
    assert b"sk-of-the-proxy" not in answer.body
    assert "sk-of-the-proxy" not in json.dumps([received["body"] for received in upstream.requests()])


def test_variables_are_not_expanded_again(proxy, upstream):
    """A variable's value with placeholders and references in it is sent as it is."""
    proxy.post({"model": "my-langfuse-model", "prompt_variables": {"key": "{{key}} os.environ/HOME {{7*7}}"}})
    sent = upstream.requests()[0]["body"]["messages"][0]["content"]
    assert sent == "Say {{key}} os.environ/HOME {{7*7}}."


def test_a_prompt_s_config_steers_nothing(proxy, upstream):
    """Addresses, keys and headers in a prompt's config are never obeyed."""
    assert proxy.post({**MANAGED, "prompt_id": "hostile"}).status == 200
    (received,) = upstream.requests()
    assert sorted(received["body"]) == ["messages", "model"]
    assert received["headers"]["authorization"] == "Bearer sk-of-the-proxy"
    assert "x-evil" not in received["headers"]


def test_a_prompt_chooses_only_among_the_config_s_models(proxy, upstream):
    """A prompt whose config asks for a model that config.yaml does not have is refused, and nothing is sent."""
    answer = proxy.post({**MANAGED, "prompt_id": "chooser"})
    assert (answer.status, answer.error["param"], upstream.requests()) == (400, "model", [])
    assert "openai/most-expensive" in answer.error["message"]


@pytest.mark.parametrize(
    "model", ["openai/small", "openai/gpt-4o", "langfuse/openai-model", "folder/openai-model", "gpt-4o", "local/x"]
)
def test_clients_choose_only_among_the_config_s_models(proxy, upstream, model):
    """A model that is no name of model_list is 400, also where a provider has it."""
    assert proxy.ask(model).status == 400
    assert (
        proxy.post({"messages": PLAIN["messages"]}, path=f"/openai/deployments/{model}/chat/completions").status == 400
    )
    assert upstream.requests() == []


@pytest.mark.parametrize(
    "prompt_id",
    [
        "../../etc/passwd",
        "..",
        "a/../b",
        "a\r\nset-cookie: b",
        "a\x00b",
        "%2e%2e%2f",
        "a?label=production",
        "a#b",
        "\ud800",
        "é" * 300,
    ],
)
def test_hostile_prompt_ids_name_nothing(proxy, upstream, prompt_id):
    """A prompt_id is one name, whatever stands in it: it finds nothing, and no header or address is made of it."""
    answer = proxy.post({**MANAGED, "prompt_id": prompt_id})
    assert answer.status in (400, 404)
    assert "set-cookie" not in answer.headers
    assert upstream.requests() == []


def test_names_in_headers_are_plain_text(proxy, langfuse):
    """A prompt's name goes into a header percent-encoded, so that it ends no line and every byte can be sent."""
    name = "größe\r\nx-evil: 1"
    langfuse.control(seed=[{"name": name, "type": "text", "prompt": "a", "labels": ["production"], "config": {}}])
    answer = proxy.post({**MANAGED, "prompt_id": name})
    assert answer.headers["x-toolkit-prompt-id"] == "gr%C3%B6%C3%9Fe%0D%0Ax-evil: 1"
    assert "x-evil" not in answer.headers


def test_a_body_that_does_not_come_is_no_danger(proxy):
    """A connection whose body never comes holds up nobody else."""
    head = request(proxy.port).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port), timeout=20))
            connection.sendall(head)
        assert proxy.post(PLAIN).status == 200


SECRETS = {
    "MY_MASTER_KEY": "planted-master-key-4711",
    "OPENAI_API_KEY": "planted-provider-key-4712",
    "LANGFUSE_SECRET_KEY": "planted-langfuse-key-4713",
}


@pytest.mark.parametrize("debug", [False, True])
def test_planted_secrets_come_out_nowhere(tmp_path, langfuse, upstream, debug):
    """Master key, provider key and Langfuse secret are in no answer, no log and not in the store, whatever fails."""
    config = "general_settings: {master_key: os.environ/MY_MASTER_KEY}\n" + CONFIG.format(upstream=upstream.url)
    environ = {**KEYS, **SECRETS, "LANGFUSE_HOST": langfuse.url}
    seen = b""
    arguments = ["--detailed_debug"] if debug else []
    with proxy_command(tmp_path, config, arguments=arguments, **environ) as running:
        running.headers["authorization"] = f"Bearer {SECRETS['MY_MASTER_KEY']}"
        echo = {"error": {"message": f"Incorrect API key provided: {SECRETS['OPENAI_API_KEY']}."}}
        faults = [
            None, {"status": 401, "body": echo}, {"status": 400, "body": echo},
            {"status": 500, "body": echo, "times": 3}, {"body": "not json"},
            {"cut": 20}, {"sse": f"data: {json.dumps(echo)}\n\n"},
        ]  # fmt: skip
        for fault in faults:
            for stream in (False, True):
                upstream.control(reset=True)
                if fault is not None:
                    upstream.control(**fault)
                answer = running.post({**PLAIN, "stream": stream})
                seen += repr(answer.headers).encode() + answer.body
        for body in (MANAGED, b"broken", {"model": "nope"}, {**MANAGED, "prompt_id": "nope"}):
            answer = running.post(body)
            seen += repr(answer.headers).encode() + answer.body
        seen += running.post(PLAIN, headers={"authorization": "Bearer wrong"}).body
        seen += running.get("/v1/models").body
        assert running.stop() == 0
        seen += running.log().encode()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "home").iterdir())
    assert b"planted-" in repr(SECRETS).encode()
    assert b"planted-" not in seen
    assert b"planted-" not in stored
    if debug:
        assert b"-H 'Authorization: Bearer ****'" in seen


def test_the_store_is_the_owner_s(tmp_path, upstream):
    """The run store's folder and file are readable by their owner only."""
    with proxy_command(tmp_path, CONFIG.format(upstream=upstream.url), OPENAI_API_KEY="k") as running:
        running.post(PLAIN)
        wait_until(lambda: (running.home / "runs.sqlite").exists())
        assert running.home.stat().st_mode & 0o777 == 0o700
        assert (running.home / "runs.sqlite").stat().st_mode & 0o777 == 0o600
