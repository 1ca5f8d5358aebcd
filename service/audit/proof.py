"""Puts a task's proof together: from the log, the tree and the latest checkpoint."""

from typing import Any
from uuid import UUID

from domain.errors import KetlogError, LogForked
from domain.ports import EventLog
from domain.proof import TaskProof
from domain.seals import Contents, Seals


class NoSuchCheckpoint(KetlogError):
    """No proof leads from a checkpoint of this size to the latest one."""


async def task_proof(
    task_id: UUID,
    log: EventLog,
    seals: Seals,
    contents: Contents | None,
    since: int | None,
    *,
    tenant: str | None = None,
) -> dict[str, Any] | None:
    """Return a task's proof as `domain.proof` describes it; `None` for an unknown task.

    Args:
        contents: where the payloads are, if they are to be part of it.
        since: size of an earlier checkpoint, to be shown to be continued.
        tenant: who asks, see `EventLog.stream`.

    Raises:
        NoSuchCheckpoint: `since` is not from 1 to the size of the latest checkpoint.
        LogForked: the tree under the checkpoint is not whole any more.
        StoreUnavailable: the log cannot be read now.
    """
    # All of this only grows, contents apart: what is read later goes at least as far. Contents come
    # last, so that none is shown beside the event that erased it.
    checkpoint = await seals.latest_checkpoint()
    size = 0 if checkpoint is None else checkpoint.size
    if since is not None and not 1 <= since <= size:
        raise NoSuchCheckpoint(
            f"must be the size of an earlier checkpoint, from 1 to {size}"
            if size
            else "there is no checkpoint yet"
        )
    events = await log.stream(task_id, tenant)
    if not events:
        return None
    proof = TaskProof(
        task_id,
        events,
        {leaf.version: leaf for leaf in await seals.leaves_of(task_id)},
        checkpoint,
        None if contents is None else await contents.of(task_id),
        since,
    )
    nodes = proof.nodes()
    hashes = await seals.hashes(nodes)
    if nodes - hashes.keys():
        raise LogForked("Leaves of the tree are missing: verify the log.")
    return proof.bundle(hashes)
