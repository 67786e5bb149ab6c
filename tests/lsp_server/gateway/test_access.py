"""Who may ask."""

from __future__ import annotations

import pytest

from lsp_server.gateway.access import ANYONE, digest, is_for_loopback, is_loopback, owner_of


def test_a_token_makes_an_owner_and_each_its_own() -> None:
    known = [digest("one"), digest("two")]
    one, two = owner_of("Bearer one", known), owner_of("bearer two", known)
    assert one
    assert two
    assert one != two
    assert "one" not in one


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer three", "Basic one", "one", "Bearer one two"])
def test_whoever_has_none_is_nobody(header: str | None) -> None:
    assert owner_of(header, [digest("one"), digest("two")]) is None
    assert owner_of(header, []) == ANYONE


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_this_machine_alone_reaches(host: str) -> None:
    assert is_loopback(host)
    assert is_for_loopback(f"[{host}]:8377" if ":" in host else f"{host}:8377")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "evil.example", "localhost.evil.example", ""])
def test_others_reach(host: str) -> None:
    assert not is_loopback(host)


def test_a_web_page_that_calls_this_machine_by_another_name_is_not_for_it() -> None:
    assert not is_for_loopback("evil.example:8377")
    assert not is_for_loopback("127.0.0.1.evil.example")
