"""A task's proof is checked by the stand-alone verifier, with nothing but the public key."""

import ast
import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import cryptography
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.errors import LogForked
from domain.identifiers import uuid7
from domain.payloads import PayloadKind
from infrastructure.memory import MemoryStore
from infrastructure.memory.contents import MemoryContents
from infrastructure.memory.seals import MemorySeals
from infrastructure.signing import SigningKey
from relay.sealer import Sealer
from service.audit.proof import NoSuchCheckpoint, task_proof
from tests.support import tasks
from verifier import ketlog_verify

Json = dict[str, Any]
FILE = Path(ketlog_verify.__file__)


@dataclass
class Log:
    """A log in memory, sealed after every five events or so."""

    folder: Path
    store: MemoryStore
    seals: MemorySeals
    task_id: UUID

    @property
    def key(self) -> str:
        return (self.folder / "signing.key.pub").read_text().strip()

    async def seal(self) -> None:
        await Sealer(self.seals, self.folder / "signing.key", "ketlog", None, 1.0).round()

    async def proof(self, *, contents: bool = True, since: int | None = None) -> Json:
        kept = MemoryContents(self.store) if contents else None
        proof = await task_proof(self.task_id, self.store, self.seals, kept, since)
        assert proof is not None
        return proof

    def verify(self, proof: Json | str, *arguments: str, key: str = "") -> int:
        file = self.folder / "proof.json"
        file.write_text(proof if isinstance(proof, str) else json.dumps(proof))
        return ketlog_verify.main(["--key", key or self.key, *arguments, str(file)])


@pytest.fixture
async def log(tmp_path: Path) -> Log:
    store = MemoryStore()
    made = Log(tmp_path, store, MemorySeals(store), uuid7())
    for number in range(4):
        await tasks.submitted(store, f"// another {number}")
    await tasks.put(store, tasks.submission("// 𝛑 and more", task_id=made.task_id))
    await made.seal()
    await tasks.put(store, tasks.claim(await tasks.load(store, made.task_id)))
    await tasks.submitted(store)
    await made.seal()
    ended = tasks.completion(await tasks.load(store, made.task_id), {"0": 7, "1": 9})
    await tasks.put(store, ended)
    for _ in range(6):
        await tasks.submitted(store)
    await made.seal()
    return made


async def test_a_proof_holds(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    assert log.verify(await log.proof()) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"task {log.task_id}",
        "  checkpoint over 14 events: signature is right",
        "  3 events, 3 of them shown to be in the signed tree",
        "  the circuit is what version 1 commits to",
        "  the result is what version 3 commits to",
        "OK: 3 events are what the log has signed.",
    ]


async def test_contents_are_handed_out_only_if_they_are_asked_for(log: Log) -> None:
    proof = await log.proof(contents=False)
    assert "contents" not in proof
    assert log.verify(proof) == 0


async def test_what_was_erased_is_said_and_spoils_nothing(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = await log.proof()
    await tasks.erased(log.store, log.task_id)
    await log.seal()
    proof = await log.proof()
    assert log.verify(proof) == 0
    assert capsys.readouterr().out.splitlines()[-6:] == [
        "  checkpoint over 15 events: signature is right",
        "  4 events, 4 of them shown to be in the signed tree",
        "  version 4 says that the contents were erased",
        "  the circuit was erased; its event stays valid",
        "  the result was erased; its event stays valid",
        "OK: 4 events are what the log has signed.",
    ]
    proof["contents"] = kept["contents"]
    assert log.verify(proof) == 1
    assert "WRONG: the circuit is there, which version 4 erased" in capsys.readouterr().out


async def test_contents_that_are_missing_without_an_event_are_named(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    del log.store.payload_rows[log.task_id][PayloadKind.CIRCUIT]
    assert log.verify(await log.proof()) == 0
    said = capsys.readouterr().out
    assert "the circuit is not there, and no event says why; its event stays valid" in said


async def test_an_event_under_no_checkpoint_is_named(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id = (await tasks.processing(log.store)).task_id
    log.task_id = task_id
    proof = await log.proof()
    assert [event["leaf"] for event in proof["events"]] == [None, None]
    assert log.verify(proof) == 2
    said = capsys.readouterr()
    assert "version 2 is under no checkpoint yet: nobody vouches for it so far" in said.out
    assert "nothing of it is signed yet" in said.err


async def test_a_log_without_checkpoints_proves_nothing_yet(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    log.seals.notes.clear()
    proof = await log.proof()
    assert proof["checkpoint"] is None
    assert log.verify(proof) == 2
    assert "there is no checkpoint yet" in capsys.readouterr().out


def event_edit(number: int, /, **fields: object) -> Callable[[Json], None]:
    def edit(proof: Json) -> None:
        proof["events"][number - 1].update(fields)

    return edit


def swap(proof: Json) -> None:
    events = proof["events"]
    events[1], events[2] = events[2], events[1]


def drop(version: int) -> Callable[[Json], None]:
    return lambda proof: proof["events"].pop(version - 1)


def replace_note(old: str, new: str) -> Callable[[Json], None]:
    def edit(proof: Json) -> None:
        proof["checkpoint"] = proof["checkpoint"].replace(old, new)

    return edit


def content_edit(number: int, **fields: object) -> Callable[[Json], None]:
    def edit(proof: Json) -> None:
        proof["contents"][number].update(fields)

    return edit


def edit_data(proof: Json) -> None:
    event = proof["events"][1]
    event["data"] = event["data"].replace("a-worker", "b-worker")


def edit_metadata(proof: Json) -> None:
    event = proof["events"][2]
    event["metadata"] = event["metadata"].replace("test", "nobody")


def shorten_proof(proof: Json) -> None:
    proof["events"][0]["inclusion"].pop()


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (edit_data, "version 2: its hash does not follow from its content"),
        (edit_metadata, "version 3: its hash does not follow from its content"),
        (event_edit(1, type="TaskCancelled"), "version 1: its hash does not follow"),
        (event_edit(2, schema_version=2), "version 2: its hash does not follow"),
        (event_edit(2, event_id=str(UUID(int=7))), "version 2: its hash does not follow"),
        (
            event_edit(2, recorded_at="2020-01-01T00:00:00.000000Z"),
            "version 2: its hash does not follow",
        ),
        (event_edit(2, hash="00" * 32), "version 2: it is not leaf 5 of the signed tree"),
        (event_edit(3, leaf=4), "version 3: it is not leaf 4 of the signed tree"),
        (event_edit(3, leaf=99), "version 3: it is not leaf 99 of the signed tree"),
        (shorten_proof, "version 1: it is not leaf 4 of the signed tree"),
        (swap, "version 2 is missing: version 3 stands in its place"),
        (drop(1), "version 1 is missing: version 2 stands in its place"),
        (drop(2), "version 2 is missing: version 3 stands in its place"),
        (lambda proof: proof["events"].clear(), "there are no events"),
        (lambda proof: proof.update(task_id=str(UUID(int=7))), "version 1: its hash does not"),
        (replace_note("\n14\n", "\n15\n"), "checkpoint of size 15: its signature does not fit"),
        (content_edit(0, body="b3RoZXI="), "the circuit is not what version 1 commits to"),
        (content_edit(1, salt="00" * 32), "the result is not what version 3 commits to"),
        (content_edit(1, kind="memory"), "no event commits to the memory"),
    ],
)
async def test_every_change_is_named(
    log: Log, capsys: pytest.CaptureFixture[str], edit: Callable[[Json], None], what: str
) -> None:
    proof = await log.proof()
    edit(proof)
    assert log.verify(proof) == 1
    said = capsys.readouterr().out
    assert f"WRONG: {what}" in said
    assert "NOT OK" in said


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda proof: proof.update(format="ketlog.proof.9"), "its format is 'ketlog.proof.9'"),
        (lambda proof: proof.pop("format"), "format is missing"),
        (lambda proof: proof.update(task_id="nobody"), "task_id is no UUID"),
        (lambda proof: proof.update(events={}), "events is missing or of another kind"),
        (lambda proof: proof.update(events=[7]), "an entry is missing or of another kind"),
        (event_edit(2, version="2"), "version is missing or of another kind"),
        (event_edit(2, version=True), "version is missing or of another kind"),
        (event_edit(2, schema_version=2**31), "schema_version is out of range"),
        (event_edit(2, hash="0"), "hash is not 32 bytes in hexadecimal"),
        (event_edit(2, inclusion=["zz" * 32]), "inclusion is not 32 bytes"),
        (event_edit(2, inclusion=None), "inclusion is missing"),
        (event_edit(2, recorded_at="yesterday"), "recorded_at is not a UTC time"),
        (event_edit(2, recorded_at="2026-13-01T00:00:00.000000Z"), "recorded_at is no time"),
        (event_edit(2, data="{"), "it is not JSON, or it was cut"),
        (event_edit(2, data="[" * 100_000), "it is not JSON, or it was cut"),
        (event_edit(2, metadata="\ud800"), ""),
        (content_edit(0, body="?"), "this is not base64"),
        (replace_note("\n\n", "\n"), "not a signed note"),
        (replace_note("\n14\n", "\n014\n"), "does not say the size and root"),
        (replace_note("— ", "- "), "no signature"),
        (lambda proof: proof.update(checkpoint=7), "not a signed note"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_its_place(
    log: Log, capsys: pytest.CaptureFixture[str], edit: Callable[[Json], None], what: str
) -> None:
    proof = await log.proof()
    edit(proof)
    assert log.verify(proof) == (2 if what else 1)
    assert what in capsys.readouterr().err


async def test_a_file_that_was_cut_is_refused_wherever_it_was_cut(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(await log.proof())
    for end in range(0, len(text) - 1, 97):
        assert log.verify(text[:end]) == 2
        assert "it is not JSON, or it was cut" in capsys.readouterr().err


async def test_another_key_is_not_believed(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = SigningKey("ketlog", Ed25519PrivateKey.generate()).verifier_key.encode()
    assert log.verify(await log.proof(), key=stranger) == 1
    assert "none of its signatures is by the given key" in capsys.readouterr().out


@pytest.mark.parametrize("key", ["nonsense", "ketlog+00000000+AQID", "+", ""])
async def test_a_key_that_is_none_is_refused(
    log: Log, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    file = log.folder / "proof.json"
    file.write_text(json.dumps(await log.proof()))
    assert ketlog_verify.main(["--key", key, str(file)]) == 2
    assert "no public key" in (said := capsys.readouterr().err) or "base64" in said


async def test_keys_may_come_from_a_file(log: Log) -> None:
    assert log.verify(await log.proof(), key=str(log.folder / "signing.key.pub")) == 0


async def test_the_log_is_shown_to_continue_a_checkpoint_that_was_kept(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = log.folder / "kept"
    for size in sorted(log.seals.notes):
        kept.write_text(log.seals.notes[size].note)
        proof = await log.proof(since=size)
        assert log.verify(proof, "--checkpoint", str(kept)) == 0
        assert f"continues the one of the checkpoint that you kept ({size})" in (
            capsys.readouterr().out
        )
    assert log.verify(await log.proof(), "--checkpoint", str(kept)) == 0


async def test_a_proof_for_another_checkpoint_than_the_kept_one_says_what_to_ask_for(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = log.folder / "kept"
    kept.write_text(log.seals.notes[5].note)
    assert log.verify(await log.proof(since=7), "--checkpoint", str(kept)) == 2
    assert f"ask for /tasks/{log.task_id}/proof?since=5" in capsys.readouterr().err


async def test_a_rewritten_log_does_not_continue_a_kept_checkpoint(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = log.folder / "kept"
    kept.write_text(log.seals.notes[5].note)
    # Everything before is made anew, and signed with the right key.
    stream = next(iter(log.store.streams.values()))
    stream[0] = replace(stream[0], hash=bytes(32))
    log.seals.leaves.clear()
    log.seals.notes.clear()
    await log.seal()
    proof = await log.proof(since=5)
    assert log.verify(proof) == 0
    assert log.verify(proof, "--checkpoint", str(kept)) == 1
    assert "WRONG: the log was rewritten" in capsys.readouterr().out


async def test_a_log_that_was_cut_is_shorter_than_a_kept_checkpoint(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = log.folder / "kept"
    kept.write_text(log.seals.notes.pop(14).note)
    assert log.verify(await log.proof(), "--checkpoint", str(kept)) == 1
    assert "you kept a checkpoint over 14 events, and now there are 7" in capsys.readouterr().out


async def test_a_proof_from_a_checkpoint_that_cannot_be_is_not_made(log: Log) -> None:
    for size in (0, 15, -1):
        with pytest.raises(NoSuchCheckpoint, match="from 1 to 14"):
            await log.proof(since=size)
    log.seals.notes.clear()
    with pytest.raises(NoSuchCheckpoint, match="no checkpoint yet"):
        await log.proof(since=1)


async def test_a_tree_that_is_not_whole_gives_no_proof(log: Log) -> None:
    del log.seals.leaves[8:]
    with pytest.raises(LogForked, match="missing"):
        await log.proof()


async def test_the_verifier_needs_the_standard_library_and_cryptography_alone(
    log: Log, tmp_path: Path
) -> None:
    imported = {
        (node.module or "").partition(".")[0] if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(ast.parse(FILE.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}
    # A folder with that package and what it needs, in place of everything that is installed.
    packages = tmp_path / "packages"
    packages.mkdir()
    installed = Path(str(cryptography.__file__)).parents[1]
    for pattern in ("cryptography", "cffi", "_cffi_backend*"):
        for path in installed.glob(pattern):
            (packages / path.name).symlink_to(path)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(await log.proof()))
    copy = tmp_path / "ketlog_verify.py"
    copy.write_text(FILE.read_text())
    run = await asyncio.to_thread(
        partial(subprocess.run, capture_output=True, text=True, timeout=30, check=False),
        [sys.executable, "-S", str(copy), "--key", log.key, str(file)],
        env={"PYTHONPATH": str(packages)},
        cwd=tmp_path,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.endswith("OK: 3 events are what the log has signed.\n")
