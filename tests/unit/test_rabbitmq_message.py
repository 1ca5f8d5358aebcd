"""What a thin message carries, and that nothing in the queue can upset its reader."""

import json
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from domain.identifiers import new_traceparent, uuid7
from domain.ports import OutboxRow
from infrastructure.rabbitmq.message import TaskMessage, Undecodable, decode, encode


def row(correlation_id: str = "a-correlation-id") -> OutboxRow:
    return OutboxRow(1, uuid7(), uuid7(), correlation_id, new_traceparent())


def test_a_message_survives_the_wire() -> None:
    sent = row()
    body, properties = encode(sent)
    assert decode(body, properties.message_id) == TaskMessage(
        sent.task_id, sent.message_id, sent.correlation_id, sent.traceparent
    )


def test_a_message_is_persistent_and_bears_the_id_of_its_event() -> None:
    sent = row()
    _, properties = encode(sent)
    assert properties.delivery_mode == 2
    assert properties.message_id == str(sent.message_id)
    assert properties.content_type == "application/json"
    assert properties.message_type == "ketlog.task"


def test_a_message_carries_ids_and_nothing_else() -> None:
    body, _ = encode(row())
    assert sorted(json.loads(body)) == ["correlation_id", "task_id", "traceparent"]


@given(st.binary() | st.text().map(str.encode), st.none() | st.text())
@example(b"[" * 100_000, None)
@example(b"null", str(UUID(int=1)))
@example(b'{"task_id": 1, "correlation_id": "", "traceparent": ""}', str(UUID(int=1)))
@example(
    b'{"task_id": "00000000-0000-0000-0000-000000000001", "correlation_id": 1, "traceparent": ""}',
    str(UUID(int=1)),
)
def test_anything_else_is_a_value_that_says_so(body: bytes, message_id: str | None) -> None:
    assert isinstance(decode(body, message_id), Undecodable)


def test_what_cannot_be_read_is_not_quoted() -> None:
    message = decode(b'{"task_id": "secret"}', str(UUID(int=1)))
    assert isinstance(message, Undecodable)
    assert "secret" not in message.reason
