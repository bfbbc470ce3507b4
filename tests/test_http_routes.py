"""The rules of the way that a request takes: names, certificates, the environment's proxies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.http_calls import ask, failure_of
from tests.servers._process import ServerProcess, serving

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def wire() -> Iterator[ServerProcess]:
    """A server that counts its connections."""
    with serving("tests.servers.fake_wire") as running:
        yield running


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, tmp_path: Path) -> Iterator[ServerProcess]:
    """The same server behind TLS, with a certificate for `shop.test` and loopback."""
    path = tmp_path / "shop.pem"
    authority.issue_cert("shop.test", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
    with serving("tests.servers.fake_wire", "--certificate", str(path)) as running:
        yield running


def test_unknown_host_is_dns() -> None:
    """A host name that does not exist is of kind `dns`, and nothing was sent."""
    failure = failure_of("http://no-such-host.invalid/")
    assert (failure.kind, failure.request_sent) == ("dns", False)


def test_untrusted_certificate_is_tls(secure: ServerProcess) -> None:
    """A certificate that nobody vouches for is of kind `tls`, and nothing was sent."""
    failure = failure_of(f"https://127.0.0.1:{secure.port}/")
    assert (failure.kind, failure.request_sent) == ("tls", False)


def test_certificate_for_another_host_is_tls(
    secure: ServerProcess, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trusted certificate for another name is of kind `tls`."""
    trust(authority, tmp_path, monkeypatch)
    assert failure_of(f"https://localhost:{secure.port}/").kind == "tls"


def test_plain_server_behind_https_is_tls(wire: ServerProcess) -> None:
    """A server that does not speak TLS is of kind `tls`, and nothing was sent."""
    failure = failure_of(f"https://127.0.0.1:{wire.port}/")
    assert (failure.kind, failure.request_sent) == ("tls", False)


def trust(authority: trustme.CA, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the environment name an authority as the one to trust."""
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))


def test_bundle_of_the_environment_is_trusted(
    secure: ServerProcess, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSL_CERT_FILE` says whom to trust."""
    trust(authority, tmp_path, monkeypatch)
    assert ask(f"https://127.0.0.1:{secure.port}/a")[0].json()["target"] == "/a"


def test_missing_bundle_is_tls_and_named(secure: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """An `SSL_CERT_FILE` that does not exist is of kind `tls`, and the message names the variable."""
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    failure = failure_of(f"https://127.0.0.1:{secure.port}/")
    assert failure.kind == "tls"
    assert "SSL_CERT_FILE" in failure.message


def test_proxy_of_the_environment_is_used(wire: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """`HTTP_PROXY` gets the request with its whole address, and the credentials of its own address."""
    monkeypatch.setenv("HTTP_PROXY", f"http://user:word@127.0.0.1:{wire.port}")
    ask("http://shop.test/a%2Fb?x=1")
    request = wire.requests()[0]
    assert request["target"] == "http://shop.test/a%2Fb?x=1"
    assert request["headers"]["proxy-authorization"] == "Basic dXNlcjp3b3Jk"
    assert request["headers"]["host"] == "shop.test"


def test_https_goes_through_the_proxy_encrypted(
    wire: ServerProcess,
    secure: ServerProcess,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`HTTPS_PROXY` is asked for a tunnel and learns nothing of the request but its host and port."""
    trust(authority, tmp_path, monkeypatch)
    monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{wire.port}")
    answers = ask(*[f"https://shop.test:{secure.port}/a"] * 2, headers={"authorization": "Bearer planted-key"})
    assert [answer.json()["connection"] for answer in answers] == [1, 1]
    assert [(request["method"], request["target"]) for request in wire.requests()] == [
        ("CONNECT", f"shop.test:{secure.port}")
    ]
    assert "planted-key" not in str(wire.requests())


@pytest.mark.parametrize("left_out", ["shop.invalid", ".invalid", "*"])
def test_no_proxy_is_honoured(wire: ServerProcess, monkeypatch: pytest.MonkeyPatch, left_out: str) -> None:
    """A host that `NO_PROXY` names is asked directly."""
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{wire.port}")
    monkeypatch.setenv("NO_PROXY", left_out)
    assert failure_of("http://shop.invalid/").kind == "dns"
    assert wire.requests() == []


def test_unreachable_proxy_is_connect_and_shows_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that does not answer is of kind `connect`; its password is in no message and nothing it came from."""
    monkeypatch.setenv("HTTP_PROXY", "http://user:planted-word@127.0.0.1:9")
    failure = failure_of("http://shop.test/")
    assert (failure.kind, failure.request_sent) == ("connect", False)
    assert "planted-word" not in f"{failure!r} {failure.__cause__!r} {failure.__context__!r}"


def test_proxy_of_another_kind_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy is refused with a message that says which kinds work."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    failure = failure_of("http://shop.test/")
    assert failure.kind == "connect"
    assert "'socks5'" in failure.message


def test_netrc_is_not_read(wire: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.netrc` adds no credential to a request."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(wire.url + "/a")
    assert "authorization" not in wire.requests()[0]["headers"]
