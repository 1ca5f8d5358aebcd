"""Every way to change what was sealed and signed by hand, and how `verify` names it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infrastructure.signing import SigningKey
from service.audit.audit import Audit
from service.audit.findings import Finding, Kind
from tests.support import tasks
from tests.support.sealed_log import SealedLog, only, sealed_log


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[SealedLog]:
    async with sealed_log(database_url, tmp_path) as made:
        yield made


# --- the tree ----------------------------------------------------------------------------------


async def test_an_event_rewritten_with_its_hash_and_all_after_it_is_named(world: SealedLog) -> None:
    task_id = world.ids[1]
    await world.forger.do(
        "UPDATE events SET data = replace(data::text, 'a-worker', 'b-worker')::json"
        " WHERE task_id = $1 AND version = 2",
        task_id,
    )
    await world.forger.rehash(task_id)
    found = await world.verify()
    assert [(each.kind, each.task_id, each.version) for each in found] == [
        (Kind.REWRITTEN, task_id, 2),
        (Kind.CHANGED_HASH, task_id, 3),
    ]


async def test_a_changed_leaf_is_named_in_the_tree(world: SealedLog) -> None:
    await world.forger.do("UPDATE leaves SET event_hash = sha256('x') WHERE leaf_number = 5")
    audit, found = await world.audit()
    assert not audit.tally.tree_is_sound
    in_tree = [each for each in found if each.kind is Kind.TREE]
    assert (in_tree[0].task_id, in_tree[0].version) == (world.ids[1], 2)
    assert "leaf 5: the subtree hashes" in str(in_tree[0])
    assert "or else leaf 5 was rewritten" in str(
        next(each for each in found if each.kind is Kind.REWRITTEN)
    )
    assert Kind.FORKED in {each.kind for each in found}


async def test_changed_subtree_hashes_are_named(world: SealedLog) -> None:
    await world.forger.do("UPDATE leaves SET subtrees = 'short' WHERE leaf_number = 7")
    only(await world.verify(), Kind.TREE, world.ids[3], 2)


async def test_a_removed_leaf_is_named(world: SealedLog) -> None:
    await world.forger.do("DELETE FROM leaves WHERE leaf_number = 6")
    found = await world.verify()
    assert [str(each) for each in found if each.kind is Kind.MISSING_LEAF] == [
        "MISSING LEAF: leaf 6 is missing; the tree cannot be checked beyond"
    ]
    assert [(each.task_id, each.version) for each in found if each.kind is Kind.INSERTED] == [
        (world.ids[2], 2)
    ]


# --- what was signed ---------------------------------------------------------------------------


async def test_an_edited_checkpoint_is_named(world: SealedLog) -> None:
    await world.forger.do(r"UPDATE checkpoints SET note = replace(note, E'\n8\n', E'\n7\n')")
    (found,) = await world.verify()
    assert str(found) == (
        "CHANGED CHECKPOINT: checkpoint of size 8: its signature does not fit its text"
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("SET note = 'nonsense'", "no empty line separates"),
        ("SET note = left(note, 60)", "checkpoint of size 8"),
        ("SET root = sha256('x')", "its column root is not the root that was signed"),
        ("SET size = 9", "what was signed is of size 8"),
    ],
)
async def test_a_damaged_row_of_the_checkpoints_is_named(
    world: SealedLog, change: str, what: str
) -> None:
    await world.forger.do(f"UPDATE checkpoints {change} WHERE size = 8")
    found = await world.verify()
    assert {each.kind for each in found} == {Kind.CHECKPOINT}
    assert any(what in str(each) for each in found)


async def test_a_checkpoint_that_was_shipped_and_is_gone_is_named(world: SealedLog) -> None:
    await world.forger.do("DELETE FROM checkpoints WHERE size = 8")
    (found,) = await world.verify()
    assert "the table has none of size 8, which was shipped" in str(found)
    assert await world.verify(shipped=False) == []


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda note: note.replace("\n8\n", "\n9\n"), "does not fit its text"),
        (lambda note: note[:-20], "was cut"),
        (lambda note: note[:20], "no empty line"),
        (lambda note: note[:0], "no empty line"),
    ],
)
async def test_an_edited_shipped_checkpoint_is_named(
    world: SealedLog, edit: Callable[[str], str], what: str
) -> None:
    (file,) = world.sink.path.rglob("*8.checkpoint")
    file.write_text(edit(file.read_text()))
    (found,) = await world.verify()
    assert found.kind is Kind.CHECKPOINT
    assert "shipped checkpoint of size 8" in str(found)
    assert what in str(found)


async def test_a_wrong_key_is_named_with_both_keys(world: SealedLog) -> None:
    stranger = SigningKey("ketlog", Ed25519PrivateKey.generate()).verifier_key
    found: list[Finding] = []
    await Audit(world.url, [stranger], None, 1, found.append).run()
    assert {each.kind for each in found} == {Kind.WRONG_KEY}
    (ours,) = world.keys
    assert f"signed by ketlog+{ours.key_id.hex()}" in str(found[0])
    assert f"the given key is ketlog+{stranger.key_id.hex()}" in str(found[0])


async def test_a_checkpoint_of_another_log_with_the_right_key_is_named(world: SealedLog) -> None:
    await world.forger.do("DELETE FROM checkpoints WHERE size = 8")
    (file,) = world.sink.path.rglob("*8.checkpoint")
    file.write_text(file.read_text().replace("ketlog\n8\n", "elsewhere\n8\n"))
    found = await world.verify()
    assert any("does not fit" in str(each) for each in found)


async def test_a_log_whose_tail_was_cut_off_shows_in_shipped_checkpoints_alone(
    world: SealedLog,
) -> None:
    """Events, leaves, projection and checkpoints are set back together, without a seam."""
    await world.forger.do("DELETE FROM leaves WHERE leaf_number >= 8")
    await world.forger.do("DELETE FROM checkpoints WHERE size > 8")
    await world.forger.do("DELETE FROM events WHERE version = 3")
    await world.forger.do("DELETE FROM payloads WHERE kind = 'result'")
    for task_id in world.ids:
        await world.forger.rehash(task_id)
    assert await world.verify(shipped=False) == []
    (found,) = [each for each in await world.verify() if each.kind is Kind.CUT]
    assert str(found) == (
        "CUT LOG: a shipped checkpoint was signed over 12 events, and 8 are sealed: "
        "leaves 8 to 11 were removed"
    )


async def test_a_log_rewritten_without_a_seam_shows_in_shipped_checkpoints_alone(
    world: SealedLog,
) -> None:
    """An event, every later hash, the tree and all: only what left the house can tell."""
    task_id = world.ids[1]
    await world.forger.do(
        "UPDATE events SET data = replace(data::text, 'a-worker', 'b-worker')::json"
        " WHERE task_id = $1 AND version = 2",
        task_id,
    )
    await world.forger.rehash(task_id)
    await world.forger.replant()
    # As long as the checkpoints are there, they tell as well.
    (found, later) = await world.verify(shipped=False)
    assert str(found) == (
        "REWRITTEN LOG: the checkpoint of size 8 was signed over another tree: one or more of "
        "leaves 4 to 7 changed after it: "
        + ", ".join(f"task {each} version 2" for each in world.ids)
    )
    assert "1 later checkpoint" in str(later)
    await world.forger.do("DELETE FROM checkpoints WHERE size > 4")
    assert await world.verify(shipped=False) == []
    found = next(each for each in await world.verify() if each.kind is Kind.FORKED)
    assert "the shipped checkpoint of size 8 was signed over another tree" in str(found)
    assert f"task {task_id} version 2" in str(found)


async def test_what_is_under_no_checkpoint_yet_is_said(world: SealedLog) -> None:
    await tasks.submitted(world.log)
    audit, found = await world.audit()
    assert found == []
    assert audit.tally.events - audit.tally.vouched == 1
    assert audit.tally.tail_seconds > 0


async def test_an_altered_event_that_is_not_sealed_yet_breaks_its_chain(world: SealedLog) -> None:
    task = await tasks.processing(world.log)
    await world.forger.do(
        "UPDATE events SET recorded_at = recorded_at + interval '1 second'"
        " WHERE task_id = $1 AND version = 1",
        task.task_id,
    )
    text = only(await world.verify(), Kind.ALTERED, task.task_id, 1)
    assert "its hash does not follow from its content" in text
