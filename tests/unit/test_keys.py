"""What an API key looks like, and what is stored of it."""

import re

import pytest

from domain.keys import (
    ID_PLACE,
    InvalidKey,
    Scope,
    check_scopes,
    check_tenant,
    digest_of,
    is_key,
    key_id_of,
    make_key,
)


def test_a_key_can_be_recognised_by_its_looks() -> None:
    key = make_key()
    assert re.fullmatch(r"ketlog_[a-z2-7]{12}_[0-9A-Za-z]{49}", key.text)
    assert key_id_of(key.text.encode()) == key.key_id
    assert key.text.startswith(f"ketlog_{key.key_id}_")
    assert key.text[ID_PLACE] == key.key_id


def test_what_is_stored_is_a_digest_that_fits_this_key_alone() -> None:
    key, other = make_key(), make_key()
    assert len(key.digest) == 32
    assert key.digest == digest_of(key.text.encode())
    assert is_key(key.text.encode(), key.digest)
    assert not is_key(other.text.encode(), key.digest)
    assert key.text.rpartition("_")[2].encode() not in key.digest


def test_no_two_keys_share_their_secret_or_their_id() -> None:
    keys = [make_key() for _ in range(200)]
    assert len({key.key_id for key in keys}) == 200
    assert len({key.text[20:63] for key in keys}) == 200


def test_every_slip_of_the_pen_is_found_without_a_look_up() -> None:
    text = make_key().text
    for place in range(7, len(text)):
        if text[place] == "_":
            continue
        other = "b" if text[place] == "a" else "a"
        with pytest.raises(InvalidKey):
            key_id_of(f"{text[:place]}{other}{text[place + 1 :]}".encode())
    swapped = text[:20] + text[21] + text[20] + text[22:]
    if swapped != text:
        with pytest.raises(InvalidKey, match="mistyped"):
            key_id_of(swapped.encode())


@pytest.mark.parametrize(
    "text", [b"", b"ketlog_", b"secret", b"\xff" * 69, b"ketlog_" + b"a" * 62, b"k" * 100_000]
)
def test_what_is_no_key_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidKey):
        key_id_of(text)


def test_a_key_with_something_around_it_is_none() -> None:
    text = make_key().text.encode()
    for wrong in (text + b"\n", b" " + text, text[:-1], text + b"0"):
        with pytest.raises(InvalidKey):
            key_id_of(wrong)


@pytest.mark.parametrize("tenant", ["", "*", "a", "physics", "team-7.lab_2", "0", "a" * 63])
def test_names_of_tenants(tenant: str) -> None:
    assert check_tenant(tenant) == tenant


@pytest.mark.parametrize("tenant", ["-", "A", "a b", "a" * 64, ".a", "a*", "a\n", "é", "**"])
def test_what_cannot_be_the_name_of_a_tenant(tenant: str) -> None:
    with pytest.raises(InvalidKey, match="lower-case"):
        check_tenant(tenant)


def test_a_key_for_all_tenants_submits_for_none() -> None:
    everything_else = frozenset(Scope) - {Scope.SUBMIT}
    assert check_scopes("*", everything_else) == everything_else
    with pytest.raises(InvalidKey, match="cannot submit"):
        check_scopes("*", frozenset(Scope))


def test_a_key_needs_a_scope() -> None:
    with pytest.raises(InvalidKey, match="submit, read, admin, audit"):
        check_scopes("physics", frozenset())
