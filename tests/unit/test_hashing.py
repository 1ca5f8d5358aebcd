"""The hash chain covers every field."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from domain.hashing import GENESIS, event_hash
from domain.log import StoredEvent
from tests.support.tasks import EPOCH

EVENT = StoredEvent(
    position=1,
    xid=1,
    event_id=UUID(int=2),
    task_id=UUID(int=1),
    version=1,
    type="TaskCancelled",
    schema_version=1,
    data='{"reason":"é"}',
    metadata='{"actor":"api"}',
    recorded_at=EPOCH,
    hash=b"",
)


def test_the_bytes_are_those_of_the_specification() -> None:
    # A vector for other implementations: it may never change.
    assert event_hash(GENESIS, EVENT).hex() == (
        "70e3c5d0261242880c9a003d475e2915e89d691f799908cd6f17beb6dd000beb"
    )


@pytest.mark.parametrize(
    "changed",
    [
        replace(EVENT, event_id=UUID(int=3)),
        replace(EVENT, task_id=UUID(int=3)),
        replace(EVENT, version=2),
        replace(EVENT, type="TaskCancelle"),
        replace(EVENT, schema_version=2),
        replace(EVENT, data='{"reason":"e"}'),
        replace(EVENT, metadata='{"actor":"apj"}'),
        replace(EVENT, metadata=EVENT.metadata + "{", data=EVENT.data[1:]),
        replace(EVENT, recorded_at=EPOCH + timedelta(microseconds=1)),
    ],
)
def test_a_change_of_any_field_changes_the_hash(changed: StoredEvent) -> None:
    assert event_hash(GENESIS, changed) != event_hash(GENESIS, EVENT)


def test_the_previous_hash_is_covered() -> None:
    assert event_hash(b"\x01" * 32, EVENT) != event_hash(GENESIS, EVENT)
