"""Ids sort, derive and validate as they should."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import (
    batch_id_for_key,
    correlation_id_of_trace,
    event_id_for_key,
    is_correlation_id,
    is_traceparent,
    new_traceparent,
    task_id_for_key,
    task_id_in_batch,
    uuid7,
)


def test_uuid7_has_version_variant_and_the_time() -> None:
    made = uuid7()
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    later = uuid7()
    assert later.int >> 80 >= made.int >> 80
    assert made != later


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_ids_of_keys_differ_exactly_when_the_keys_do(a: str, b: str, c: str, d: str) -> None:
    assert (task_id_for_key(a, b) == task_id_for_key(c, d)) == ((a, b) == (c, d))


def test_an_id_of_a_key_is_a_uuid_and_stays_the_same() -> None:
    derived = task_id_for_key("", "order-66")
    assert derived.version == 8
    # Changing this would turn every client's retry into a new task.
    assert str(derived) == "9451eaa2-029a-80e9-a5e2-b0573deeaa0d"


def test_an_event_id_of_a_key_belongs_to_one_task_and_stays_the_same() -> None:
    task_id = uuid.UUID(int=1)
    derived = event_id_for_key(task_id, "order-66")
    assert derived.version == 8
    assert str(derived) == "70b0ce24-5844-864d-91d1-d6b0ffd3543d"
    assert derived != event_id_for_key(uuid.UUID(int=2), "order-66")
    assert derived != event_id_for_key(task_id, "order-67")


def test_the_tasks_of_a_batch_sort_by_their_places() -> None:
    for batch_id in (uuid7(), batch_id_for_key("a tenant", "k")):
        ids = [task_id_in_batch(batch_id, place) for place in range(4096)]
        assert ids == sorted(ids)
        assert len(set(ids)) == len(ids)
        assert {(each.version, each.variant) for each in ids} == {(8, uuid.RFC_4122)}
        assert ids == [task_id_in_batch(batch_id, place) for place in range(4096)]


def test_batches_of_one_moment_share_no_task() -> None:
    first = uuid7()
    second = uuid.UUID(int=first.int ^ 1)
    assert first.int >> 80 == second.int >> 80
    places = range(1000)
    assert not {task_id_in_batch(first, n) for n in places} & {
        task_id_in_batch(second, n) for n in places
    }


def test_a_key_makes_a_batch_of_one_tenant_and_no_task() -> None:
    assert batch_id_for_key("a", "k") == batch_id_for_key("a", "k")
    made = {batch_id_for_key("a", "k"), batch_id_for_key("b", "k"), batch_id_for_key("a", "l")}
    assert len({*made, task_id_for_key("a", "k")}) == 4


@pytest.mark.parametrize("text", ["a", "abc-123 ~", "x" * 128])
def test_printable_ascii_is_a_correlation_id(text: str) -> None:
    assert is_correlation_id(text)


@pytest.mark.parametrize("text", ["", "x" * 129, "é", "a\n", "a\x00", "\x7f"])
def test_anything_else_is_none(text: str) -> None:
    assert not is_correlation_id(text)


def test_a_new_traceparent_is_valid_and_gives_its_trace_id() -> None:
    traceparent = new_traceparent()
    assert is_traceparent(traceparent)
    assert uuid.UUID(correlation_id_of_trace(traceparent)).hex == traceparent[3:35]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    ],
)
def test_a_malformed_traceparent_is_refused(text: str) -> None:
    assert not is_traceparent(text)
