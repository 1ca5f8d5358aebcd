"""The command that verifies the log: what it says, and that it can be run at any time."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infrastructure.postgres import audit as reading
from relay.sealer import Sealer
from service.audit import verify
from service.audit.__main__ import main
from service.audit.findings import Kind
from tests.support import tasks
from tests.support.sealed_log import SealedLog, sealed_log


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[SealedLog]:
    async with sealed_log(database_url, tmp_path) as made:
        yield made


async def test_several_processes_find_the_same(
    world: SealedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "EVENTS_A_PIECE", 2)
    assert await world.verify(jobs=2) == []
    for task_id in world.ids[:3]:
        await world.forger.do(
            "UPDATE events SET schema_version = 7 WHERE task_id = $1 AND version = 3", task_id
        )
    for jobs in (1, 2):
        audit, found = await world.audit(jobs=jobs)
        assert [(each.kind, each.task_id, each.version) for each in found] == [
            (Kind.ALTERED, task_id, 3) for task_id in world.ids[:3]
        ]
        assert audit.tally.events == 12


@pytest.fixture
def command(world: SealedLog, monkeypatch: pytest.MonkeyPatch) -> SealedLog:
    monkeypatch.setenv("DATABASE_URL", world.url)
    monkeypatch.setenv("SIGNING_KEY_FILE", str(world.folder / "signing.key"))
    monkeypatch.setenv("CHECKPOINT_SINK", str(world.sink.path))
    return world


def run(command: SealedLog, *arguments: str) -> int:
    """The command as a shell would run it, in a thread of its own for its event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(main, ["verify", *arguments]).result(60)


async def test_the_command_reports_a_whole_log(
    command: SealedLog, capsys: pytest.CaptureFixture[str]
) -> None:
    await command.forger.do("DELETE FROM payloads WHERE kind = 'circuit'")
    await tasks.erased(command.log, command.ids[0])
    await tasks.submitted(command.log)
    assert run(command) == 0
    said = capsys.readouterr().out
    (key,) = command.keys
    assert "14 events verified" in said
    assert f"checkpoints: 3 by ketlog+{key.key_id.hex()}, the last over 12 events" in said
    assert f"shipped checkpoints: 3 in {command.sink.path}" in said
    assert "erased contents: 2; their events stay valid" in said
    assert "missing contents: 3, left out of an export or removed by hand" in said
    assert "under no checkpoint yet: 2 events, the oldest of them" in said
    assert said.endswith("OK: nothing was altered, removed or inserted.\n")


async def test_the_command_names_what_it_found_and_fails(
    command: SealedLog, capsys: pytest.CaptureFixture[str]
) -> None:
    await command.forger.do(
        "UPDATE events SET data = replace(data::text, 'a-worker', 'b-worker')::json"
        " WHERE task_id = $1 AND version = 2",
        command.ids[0],
    )
    await command.forger.rehash(command.ids[0])
    assert run(command) == 1
    said = capsys.readouterr().out
    assert f"REWRITTEN EVENT: task {command.ids[0]}, version 2: it, hash included" in said
    assert "The leaves are what was signed: it is the events that were rewritten." in said
    assert "NOT OK: rewritten event (1), changed hash (1)." in said


async def test_many_findings_of_a_kind_are_counted(
    command: SealedLog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SHOWN_OF_A_KIND", 5)
    await command.forger.do("UPDATE events SET schema_version = 9")
    assert run(command) == 1
    said = capsys.readouterr().out
    assert said.count("ALTERED EVENT: task") == 5
    assert "ALTERED EVENT: 7 more (--all shows them)" in said
    assert run(command, "--all") == 1
    assert capsys.readouterr().out.count("ALTERED EVENT: task") == 12


async def test_keys_and_folders_may_be_given_by_hand(
    command: SealedLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CHECKPOINT_SINK")
    monkeypatch.setenv("SIGNING_KEY_FILE", str(command.folder / "none"))
    assert run(command) == 2
    assert "no public key to check them with. Give it with --key" in capsys.readouterr().err
    (key,) = command.keys
    assert run(command, "--key", key.encode()) == 0
    assert "CHECKPOINT_SINK is not set" in capsys.readouterr().out
    file = str(command.folder / "signing.key.pub")
    assert run(command, "--key", file, "--checkpoints", str(command.sink.path)) == 0
    assert "shipped checkpoints: 3" in capsys.readouterr().out
    assert run(command, "--key", "nonsense") == 2
    assert "a public key cannot be used" in capsys.readouterr().err


async def test_a_database_that_is_away_is_no_finding(
    command: SealedLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    assert run(command) == 2
    assert "The log could not be verified: PostgreSQL is away" in capsys.readouterr().err


async def test_tables_of_another_form_are_no_finding(
    command: SealedLog, capsys: pytest.CaptureFixture[str]
) -> None:
    await command.forger.connection.execute("ALTER TABLE leaves RENAME TO foliage")
    assert run(command) == 2
    assert "could not be verified" in capsys.readouterr().err


async def test_nothing_is_found_while_the_system_is_at_work(world: SealedLog) -> None:
    """Appends, sealing and verification at the same time: no snapshot shows half a change."""
    working = True

    async def work() -> None:
        while working:
            task = await tasks.submitted(world.log)
            await tasks.put(world.log, tasks.claim(task))
            task = await tasks.load(world.log, task.task_id)
            await tasks.put(world.log, tasks.completion(task, {"0": 16}))

    async def seal() -> None:
        key_file = world.folder / "signing.key"
        sealer = Sealer(world.seals, key_file, "ketlog", world.sink, 1.0)
        while working:
            await sealer.round()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(seal())
        group.create_task(work())
        group.create_task(work())
        for _ in range(15):
            assert list(map(str, await world.verify())) == []
        working = False
