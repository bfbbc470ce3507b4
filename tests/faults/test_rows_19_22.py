"""Rows 19 to 22: what goes wrong before a request can leave, and the ways that the environment names."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.faults.calls import KEY, walk
from tests.servers._process import ServerProcess, serving

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def resolve_nothing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lets no name resolve; returns the list that names are noted in."""
    asked: list[str] = []

    def resolve(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


@pytest.mark.fault(19)
def test_a_name_that_does_not_resolve_is_asked_for_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown host is looked up three times within half a second, is of kind dns and not billed."""
    asked = resolve_nothing(monkeypatch)
    walked = walk("https://api.nowhere.test")
    assert (walked.kind, asked) == ("dns", ["api.nowhere.test"] * 3)
    assert (len(walked.clock.slept), walked.outcome.possibly_billed) == (2, 0)
    assert sum(walked.clock.slept) <= 0.5


@pytest.mark.fault(20)
def test_a_closed_port_is_tried_four_times() -> None:
    """Where nobody listens, four connections are tried, nothing is billed, and the row says what to check."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        walked = walk(f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert (walked.kind, walked.outcome.attempts, walked.outcome.possibly_billed) == ("connect", 4, 0)
    assert "Check that the server is running" in walked.message


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture
def certified(tmp_path: Path, authority: trustme.CA) -> Iterator[Callable[..., str]]:
    """Starts a server with a certificate and returns its address."""
    with contextlib.ExitStack() as stack:

        def start(*hosts: str, not_after: dt.datetime | None = None) -> str:
            path = tmp_path / "server.pem"
            cert = authority.issue_cert(*hosts, not_after=not_after)
            cert.private_key_and_cert_chain_pem.write_to_path(str(path))
            running = stack.enter_context(serving("tests.servers.fake_wire", "--certificate", str(path)))
            return f"https://127.0.0.1:{running.port}"

        yield start


def trust(authority: trustme.CA, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the environment name an authority as the one to trust."""
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))


PAST = dt.datetime(2020, 1, 2, tzinfo=dt.UTC)


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    ("hosts", "not_after", "is_trusted", "advice"),
    [
        (["127.0.0.1"], None, False, "point SSL_CERT_FILE at its bundle"),
        (["127.0.0.1"], PAST, True, "It must be renewed, unless the clock of this machine is wrong."),
        (["shop.test"], None, True, "It is for another host: check the base URL."),
    ],
    ids=["self-signed", "expired", "wrong host"],
)
def test_a_bad_certificate_is_met_with_its_remedy(
    certified: Callable[..., str],
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hosts: list[str],
    not_after: dt.datetime | None,
    is_trusted: bool,
    advice: str,
) -> None:
    """A certificate that cannot be trusted is of kind tls after one try; the row says what to do, not to look away."""
    if is_trusted:
        trust(authority, tmp_path, monkeypatch)
    walked = walk(certified(*hosts, not_after=not_after))
    assert (walked.kind, walked.outcome.attempts, walked.outcome.possibly_billed) == ("tls", 1, 0)
    assert advice in walked.message
    assert "SSL_CERT_FILE" in walked.message
    assert "verify=" not in walked.message


@pytest.mark.fault(22)
def test_the_environments_bundle_is_trusted(
    certified: Callable[..., str], authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server whose authority SSL_CERT_FILE names is reached."""
    trust(authority, tmp_path, monkeypatch)
    # That server answers with JSON that is no completion: it was reached.
    assert walk(certified("127.0.0.1")).kind == "empty_response"


@pytest.mark.fault(22)
def test_a_request_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request to a host elsewhere goes to HTTP_PROXY, with the proxy's credentials for it and ours for the host."""
    with serving("tests.servers.fake_wire") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://carrier:pigeon-loft-9@127.0.0.1:{proxy.port}")
        walked = walk("http://api.elsewhere.test")
        (asked, *_) = proxy.requests()
    assert asked["target"] == "http://api.elsewhere.test/v1/chat/completions"
    assert asked["headers"]["proxy-authorization"] == "Basic Y2FycmllcjpwaWdlb24tbG9mdC05"
    assert asked["headers"]["authorization"] == f"Bearer {KEY}"
    assert "pigeon-loft-9" not in walked.message


@pytest.mark.fault(22)
def test_a_host_left_out_of_the_proxy_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that NO_PROXY names is asked directly; the proxy hears nothing."""
    with serving("tests.servers.fake_wire") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "elsewhere.test")
        with monkeypatch.context() as patched:
            asked = resolve_nothing(patched)
            walked = walk("http://api.elsewhere.test")
        assert proxy.requests() == []
    assert (walked.kind, set(asked)) == ("dns", {"api.elsewhere.test"})


@pytest.mark.fault(22)
def test_loopback_never_goes_through_a_proxy(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on this machine is asked directly, whatever the environment says."""
    with serving("tests.servers.fake_wire") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        walked = walk(server)
        assert proxy.requests() == []
    assert (walked.outcome.status, len(walked.requests)) == ("ok", 1)


@pytest.mark.fault(22)
def test_the_tunnel_of_a_proxy_carries_encrypted_requests(
    certified: Callable[..., str], authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An https address is reached through CONNECT; the proxy sees the host and none of our headers."""
    trust(authority, tmp_path, monkeypatch)
    port = certified("api.elsewhere.test").rpartition(":")[2]
    with serving("tests.servers.fake_wire") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        walked = walk(f"https://api.elsewhere.test:{port}")
        requests = proxy.requests()
    assert walked.kind == "empty_response"
    assert {(asked["method"], asked["target"]) for asked in requests} == {("CONNECT", f"api.elsewhere.test:{port}")}
    assert all("authorization" not in asked["headers"] for asked in requests)
