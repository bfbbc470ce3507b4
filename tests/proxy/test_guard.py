"""How the proxy compares keys, and which content types it takes for JSON (completion.md section 8)."""

from __future__ import annotations

import hmac

import pytest

from toolkit._redact import Secret
from toolkit.proxy._guard import Guard
from toolkit.proxy._refusal import Refused


@pytest.mark.line("8.29")
def test_every_key_is_compared_in_constant_time(monkeypatch):
    """Each key that is shown goes through the comparison whose time says nothing, the right one and the wrong ones."""
    compared = []

    def compare(one, other):
        compared.append(one)
        return constant_time(one, other)

    constant_time = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    guard = Guard(port=4000, master_key=Secret("the-right-key"))
    guard.authenticate({b"x-api-key": b"the-right-key", b"authorization": b"Bearer wrong"})
    assert compared == [b"the-right-key", b"wrong"]
    with pytest.raises(Refused):
        guard.authenticate({b"authorization": b"Bearer the-right-ke"})
    assert compared[2:] == [b"the-right-ke"]


def test_json_with_a_charset_is_json(proxy):
    """A content-type with a charset is JSON all the same."""
    assert (
        proxy.post({"model": "my-langfuse-model"}, headers={"content-type": "application/json; charset=utf-8"}).status
        == 200
    )
