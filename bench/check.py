"""Whether a fast figure is a right one: what was accepted is completed once, and the counts fit.

Circuits of the benchmark are Bell pairs: `00` and `11`, each in half of the shots. A fair coin is
further than six standard deviations from that in one run of five hundred million.
"""

import json
import math

import psycopg

DEVIATIONS = 6.0

_TALLY = """
    SELECT
        (SELECT count(*) FROM tasks),
        (SELECT count(*) FROM tasks WHERE current_status = 'completed'),
        (SELECT count(*) FROM events WHERE type = 'TaskSubmitted'),
        (SELECT count(*) FROM events WHERE type = 'ProcessingStarted')
            - (SELECT count(*) FROM events WHERE type = 'TaskRequeued'),
        (SELECT count(*) FROM events WHERE type = 'TaskCompleted'),
        (SELECT count(*) FROM payloads WHERE kind = 'circuit'),
        (SELECT count(*) FROM payloads WHERE kind = 'result'),
        (SELECT count(*) FROM outbox) + (SELECT count(*) FROM leases)
"""
_RESULTS = "SELECT body FROM payloads WHERE kind = 'result'"


def check_submitted(dsn: str, accepted: int) -> None:
    """Every accepted submission is in the log, with its circuit, and waits; and nothing else is."""
    with psycopg.connect(dsn) as connection:
        found = _tally(connection)
    assert found == (accepted, 0, accepted, 0, 0, accepted, 0, accepted), (accepted, found)


def check_completed(dsn: str, accepted: int, shots: int) -> None:
    """Every accepted task is completed once, with the result of a Bell pair, and nothing is open.

    What a worker claimed and handed back unrun, for another one to take, counts once.
    """
    with psycopg.connect(dsn) as connection:
        found = _tally(connection)
        assert found == (accepted,) * 7 + (0,), (accepted, found)
        zeros = 0
        for (body,) in connection.execute(_RESULTS.encode()):
            zeros += check_bell(json.loads(body), shots)
    _check_half(zeros, accepted * shots)


def check_bell(counts: dict[str, int], shots: int) -> int:
    """Check the counts of a Bell pair; returns how often `00` came."""
    assert set(counts) == {"00", "11"}, counts
    assert sum(counts.values()) == shots, counts
    _check_half(counts["00"], shots)
    return counts["00"]


def _check_half(zeros: int, shots: int) -> None:
    assert abs(zeros - shots / 2) <= DEVIATIONS * math.sqrt(shots) / 2, (zeros, shots)


def _tally(connection: psycopg.Connection) -> tuple[int, ...]:
    row = connection.execute(_TALLY.encode()).fetchone()
    assert row is not None
    return tuple(row)
