"""toolkit proxy: how it starts, what it refuses to start with, and how it ends."""

from __future__ import annotations

import argparse
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.proxy.running import environment, proxy_command, wait_until
from tests.servers._process import serving
from toolkit.cli import main
from toolkit.cli._proxy import add_proxy

CONFIG = 'model_list: [{{model_name: m, litellm_params: {{model: openai/small, api_base: "{upstream}/v1"}}}}]\n'
KEYED = "general_settings: {master_key: sk-1234-master}\n"


@pytest.fixture
def upstream():
    """An OpenAI-compatible server."""
    with serving("tests.servers.fake_openai") as server:
        yield server


@pytest.fixture
def refused(tmp_path):
    """Runs the command where it must not start; returns its exit code and what it said."""

    def run(config, *arguments):
        path = tmp_path / "config.yaml"
        path.write_text(config, encoding="utf-8")
        command = [sys.executable, "-m", "toolkit", "proxy", "--config", str(path), *arguments]
        environ = environment(tmp_path / "home")
        # A proxy that starts all the same would serve for ever.
        ended = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=20, check=False)
        return ended.returncode, ended.stderr

    return run


@pytest.mark.line("8.1")
def test_it_says_where_it_is_when_it_is_ready(tmp_path, upstream):
    """One line with the real address is printed when connections are accepted."""
    with proxy_command(tmp_path, CONFIG.format(upstream=upstream.url)) as running:
        assert running.get("/health").status == 200
        (line,) = running.log().splitlines()
        assert f"http://127.0.0.1:{running.port}" in line


def test_a_taken_port_is_one_line_and_exit_code_2(refused):
    """A port that something else listens on is named in one line."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = refused(CONFIG.format(upstream="http://x"), "--port", str(port))
    assert (code, len(said.splitlines())) == (2, 1)
    assert f"127.0.0.1:{port}" in said


@pytest.mark.line("8.27")
@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104  what is refused
def test_a_wide_bind_needs_a_master_key(refused, host):
    """Without a master key, an address that other machines can reach is refused with exit code 2."""
    code, said = refused(CONFIG.format(upstream="http://x"), "--host", host, "--port", "0")
    assert (code, "master_key" in said) == (2, True)


@pytest.mark.line("8.3")
def test_a_wide_bind_with_a_master_key_says_so(tmp_path, upstream):
    """With a master key the wide address is served, a line says that others can reach it, and the key is needed."""
    config = KEYED + CONFIG.format(upstream=upstream.url)
    with proxy_command(tmp_path, config, arguments=["--host", "0.0.0.0"]) as running:  # noqa: S104  the rule itself
        wait_until(lambda: "other machines can reach it" in running.log())
        assert running.ask("m").status == 401
        running.headers["authorization"] = "Bearer sk-1234-master"
        assert running.ask("m").status == 200
        assert running.get("/v1/models", host=f"192.0.2.7:{running.port}").status == 200
        assert running.get("/v1/models", host=f"evil.test:{running.port}").status == 403


def test_an_allowed_host_is_served(tmp_path, upstream):
    """--allowed-host names what else clients call this machine."""
    arguments = ["--allowed-host", "models.internal"]
    with proxy_command(tmp_path, CONFIG.format(upstream=upstream.url), arguments=arguments) as running:
        assert running.get("/v1/models", host=f"models.internal:{running.port}").status == 200
        assert running.get("/v1/models", host="evil.test").status == 403


@pytest.mark.line("8.27")
@pytest.mark.parametrize("written", ["os.environ/NO_SUCH_MASTER_KEY", "''"])
def test_an_empty_master_key_never_opens_the_proxy(refused, written):
    """A master key that is empty, or whose variable is not set, is an error: without it everybody could come in."""
    code, said = refused(f"general_settings: {{master_key: {written}}}\n" + CONFIG.format(upstream="http://x"))
    assert (code, "master_key" in said) == (2, True)


def test_a_missing_config_is_exit_code_2(refused, tmp_path, capsys):
    """A config.yaml that is not there is one line that names it."""
    assert main(["proxy", "--config", str(tmp_path / "nowhere.yaml")]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_calls_under_way_may_finish(tmp_path, upstream, number):
    """Asked to stop, the proxy takes no new connections, lets a call under way finish, and ends with exit code 0."""
    upstream.control(latency_ms=1000)
    with proxy_command(tmp_path, CONFIG.format(upstream=upstream.url)) as running:
        answers = []
        caller = threading.Thread(target=lambda: answers.append(running.ask("m")))
        caller.start()
        wait_until(lambda: upstream.call("GET", "/_stats")["in_flight"] == 1)
        assert running.stop(number) == 0
        caller.join()
    assert [answer.status for answer in answers] == [200]


@pytest.mark.line("7.3")
def test_detailed_debug_prints_each_request(tmp_path, upstream):
    """--detailed_debug prints each request as a curl command with the key masked."""
    config = CONFIG.format(upstream=upstream.url).replace("api_base", "api_key: sk-0123456789abcdef, api_base")
    with proxy_command(tmp_path, config, arguments=["--detailed_debug"]) as running:
        running.ask("m")
        wait_until(lambda: "POST Request Sent from toolkit:" in running.log())
        assert f"{upstream.url}/v1/chat/completions" in running.log()
        assert "sk-0123456789abcdef" not in running.log()


@pytest.mark.line("8.2")
def test_the_port_is_4000_unless_another_is_given():
    """Without --port and --host the proxy is at 127.0.0.1:4000, as LiteLLM's clients expect."""
    parser = argparse.ArgumentParser()
    add_proxy(parser.add_subparsers())
    usual = parser.parse_args(["proxy", "--config", "c"])
    other = parser.parse_args(["proxy", "--config", "c", "--port", "5000", "--host", "127.0.0.2"])
    assert (usual.host, usual.port, usual.detailed_debug) == ("127.0.0.1", 4000, False)
    assert (other.host, other.port) == ("127.0.0.2", 5000)
