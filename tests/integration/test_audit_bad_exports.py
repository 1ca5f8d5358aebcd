"""What is wrong with an export, or with the log that it is made from, is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import InvalidExport
from tests.support.forger import Forger
from tests.support.places import (
    CHECKPOINTS,
    LEAVES,
    PAYLOADS,
    PROJECTION,
    STREAMS,
    Place,
    exported,
    imported,
    partly_sealed,
)
from tests.support.varied_log import varied_log

Edit = Callable[[list[bytes]], list[bytes]]


def place_of(lines: list[bytes], kind: str) -> int:
    """The number of the first line of a sort, from 0."""
    return next(n for n, line in enumerate(lines) if f'"{kind}"'.encode() in line)


def replaced(kind: str, old: str, new: str) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        at = place_of(lines, kind)
        assert old.encode() in lines[at]
        return [*lines[:at], lines[at].replace(old.encode(), new.encode(), 1), *lines[at + 1 :]]

    return edit


def without(kind: str) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        at = place_of(lines, kind)
        return [*lines[:at], *lines[at + 1 :]]

    return edit


def twice(kind: str) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        at = place_of(lines, kind)
        return [*lines[: at + 1], *lines[at:]]

    return edit


def swapped(first: str, second: str) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        a, b = place_of(lines, first), place_of(lines, second)
        lines[a], lines[b] = lines[b], lines[a]
        return lines

    return edit


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda lines: lines[:-1], r"cut off behind line \d+"),
        (lambda lines: lines[:5], "cut off behind line 5"),
        (lambda lines: [*lines[:5], lines[5][:-20]], "line 6: .*cut off in the middle"),
        (lambda lines: lines[1:], "line 1: this is no exported log"),
        (lambda _: [], "line 1: this is no exported log"),
        (lambda lines: [*lines, lines[-1]], "something follows the last line"),
        (lambda lines: [lines[0], *lines], "line 2: a first or last line stands in the middle"),
        (lambda lines: [*lines[:3], b"nonsense\n", *lines[3:]], "line 4: no CloudEvent"),
        (lambda lines: [*lines[:3], b'{"export":"what"}\n', *lines[3:]], "line 4: no line of an"),
        (replaced("begin", "ketlog.export.1", "ketlog.export.9"), "line 1: .*export.9"),
        (replaced("ProcessingStarted", '"worker-1"', '"worker-9"'), "version 2: it, or the event"),
        (replaced("ProcessingStarted", "test", "nobo"), "actor is not what its metadata says"),
        (
            replaced(
                "TaskSubmitted",
                ".",
                ",",
            ),
            "no CloudEvent|version 1",
        ),
        (replaced("TaskFailed", '"TaskFailed"', '"TaskFuiled"'), "version 3: it, or the event"),
        (replaced("TaskCompleted", '"hash":"', '"hash":"00'), "version 3: it, or the event"),
        (replaced("TaskSubmitted", '"leaf":"0"', '"leaf":"1"'), "should be leaf 0 and is 1"),
        (
            replaced("TaskSubmitted", '"position":"', '"position":"1'),
            "not those that were exported",
        ),
        (replaced("begin", '"sealed":', '"sealed":9'), "line .*leaf"),
        (without("ProcessingStarted"), "it should be leaf 2 and is 3"),
        (without("TaskSubmitted"), "leaf 0 and is 1|no event before it commits"),
        (twice("ProcessingStarted"), "version 2: it follows version 2"),
        (twice("TaskSubmitted"), "version 1: it follows version 1"),
        (swapped("ProcessingStarted", "TaskCompleted"), "it follows version"),
        (replaced("payload", '"body":"', '"body":"AAAA'), "circuit is not what its event commits"),
        (replaced("payload", '"salt":"', '"salt":"zz'), "line 3: no line of an exported log"),
        (replaced("payload", '"circuit"', '"result"'), "no event before it commits to this result"),
        (twice("payload"), "no event before it commits to this circuit"),
        (without("payload"), r"it says \d+ payloads, and there are \d+"),
        (without("checkpoint"), "it says 2 checkpoints, and there are 1"),
        (replaced("checkpoint", '"root":"', '"root":"00'), "signed over other events"),
        (
            replaced("checkpoint", "ketlog\\n", "ketlog\\n1"),
            "is not what its note says|cannot be",
        ),
        (swapped("checkpoint", "TaskFailed"), "stands behind .* sealed events|it follows|leaf"),
        (replaced("end", '"events":', '"events":1'), r"it says \d+ events, and there are \d+"),
        (replaced("end", '"sha256":"', '"sha256":"0'), "not those that were exported"),
        (replaced("end", '"events":', '"events":-'), "is no count"),
    ],
)
async def test_an_export_that_was_changed_is_refused_and_leaves_nothing(
    here: Place, there: Place, key: Path, edit: Edit, says: str
) -> None:
    await partly_sealed(here, key)
    lines = (await exported(here)).splitlines(keepends=True)
    with pytest.raises(InvalidExport, match=says):
        await imported(there, b"".join(edit(lines)))
    for query in (STREAMS, PAYLOADS, PROJECTION, LEAVES, CHECKPOINTS):
        assert await there.rows(query) == []


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (without("TaskCompleted"), "not those that were exported|events, and there are|follows"),
        (swapped("ProcessingStarted", "TaskRequeued"), "version 3: it follows version"),
        (replaced("TaskFailed", '"hash":"', '"leaf":"0","hash":"'), "it is leaf 0 of a tree of 0"),
        (replaced("TaskRequeued", "lease", "leash"), "version 3: it, or the event before it"),
    ],
)
async def test_an_export_of_a_log_that_is_not_sealed_is_checked_too(
    here: Place, there: Place, edit: Edit, says: str
) -> None:
    await varied_log(here.log)
    lines = (await exported(here, payloads=False)).splitlines(keepends=True)
    with pytest.raises(InvalidExport, match=says):
        await imported(there, b"".join(edit(lines)))


async def test_an_event_of_a_type_that_is_not_known_here_is_named(
    here: Place, there: Place
) -> None:
    ids = await varied_log(here.log)
    forger = Forger(here.owner)
    await forger.do(
        "UPDATE events SET type = 'TaskTeleported' WHERE task_id = $1 AND version = 3",
        ids["failed"],
    )
    await forger.rehash(ids["failed"])
    with pytest.raises(InvalidExport, match="version 3: TaskTeleported of schema version 1"):
        await exported(here)
    lines = await exported(here, checked=False)
    with pytest.raises(InvalidExport, match=r"line \d+: task .*, version 3: TaskTeleported"):
        await imported(there, lines)


async def test_events_that_cannot_follow_each_other_are_named(here: Place, there: Place) -> None:
    ids = await varied_log(here.log)
    forger = Forger(here.owner)
    await forger.do(
        "UPDATE events SET type = 'TaskCancelled', data = '{\"reason\":\"\"}'"
        " WHERE task_id = $1 AND version = 2",
        ids["failed"],
    )
    await forger.rehash(ids["failed"])
    with pytest.raises(InvalidExport, match=f"{ids['failed']}, version 3: the task is cancelled"):
        await imported(there, await exported(here))
    assert await there.rows(STREAMS) == []


async def test_a_log_that_was_tampered_with_is_not_exported(here: Place, key: Path) -> None:
    ids = await partly_sealed(here, key)
    await Forger(here.owner).do(
        'UPDATE events SET data = \'{"attempt":1,"worker_id":"nobody"}\''
        " WHERE task_id = $1 AND version = 2",
        ids["failed"],
    )
    with pytest.raises(InvalidExport, match=f"task {ids['failed']}, version 2"):
        await exported(here)
    assert await exported(here, checked=False)


async def test_a_leaf_without_its_event_is_named(here: Place, key: Path) -> None:
    await varied_log(here.log)
    await here.seal(key)
    await Forger(here.owner).do("DELETE FROM events WHERE position = 3")
    with pytest.raises(InvalidExport, match="leaf 2 is missing, or its event is"):
        await exported(here, checked=False)


async def test_a_payload_that_was_altered_is_not_exported(here: Place) -> None:
    ids = await varied_log(here.log)
    await Forger(here.owner).do(
        "UPDATE payloads SET body = 'x' WHERE task_id = $1 AND kind = 'circuit'", ids["failed"]
    )
    with pytest.raises(InvalidExport, match=f"{ids['failed']}: the circuit is not what its event"):
        await exported(here)
    assert await exported(here, payloads=False)
