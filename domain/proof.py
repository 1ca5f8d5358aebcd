"""A task with all that it takes to check it elsewhere: events, inclusion proofs, a checkpoint.

    {"format": "ketlog.proof.1", "task_id": …,
     "events": [{"event_id": …, "version": 1, "type": …, "schema_version": 1,
                 "recorded_at": "2026-01-01T00:00:00.000000Z", "metadata": "{…}", "data": "{…}",
                 "hash": <hex>, "leaf": 11, "inclusion": [<hex>, …]}, …],
     "contents": [{"kind": "circuit", "salt": <hex>, "body": <base64>}, …],
     "checkpoint": <signed note>, "consistency": {"since": 8, "proof": [<hex>, …]}}

Metadata and data are carried as the text that the hash covers. An event that is under no checkpoint
yet has `null` for `leaf` and no proof; a log without checkpoints has `null` for `checkpoint`.
`contents` and `consistency` are there when they were asked for.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.cloudevents import moment
from domain.log import StoredEvent
from domain.merkle import (
    Node,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
)
from domain.payloads import Payload
from domain.seals import Leaf, StoredCheckpoint

FORMAT = "ketlog.proof.1"


@dataclass(frozen=True, slots=True)
class TaskProof:
    """What a proof is made of.

    Attributes:
        events: the task's stream.
        leaves: the task's, by version; those above the checkpoint are not used.
        checkpoint: the latest one.
        contents: payload rows to hand out; `None` hands out none.
        since: size of an earlier checkpoint that somebody holds; at most the latest one's.
    """

    task_id: UUID
    events: Sequence[StoredEvent]
    leaves: Mapping[int, Leaf]
    checkpoint: StoredCheckpoint | None
    contents: Sequence[Payload] | None = None
    since: int | None = None

    def nodes(self) -> set[Node]:
        """Return the subtrees whose hashes `bundle` needs."""
        if self.checkpoint is None:
            return set()
        size = self.checkpoint.size
        nodes = {node for leaf in self._sealed() for node in inclusion_nodes(leaf.number, size)}
        return nodes if self.since is None else nodes | consistency_nodes(self.since, size)

    def bundle(self, hashes: Mapping[Node, bytes]) -> dict[str, Any]:
        """Return the proof as JSON-compatible values."""
        bundle: dict[str, Any] = {
            "format": FORMAT,
            "task_id": str(self.task_id),
            "events": [self._event(event, hashes) for event in self.events],
        }
        if self.contents is not None:
            bundle["contents"] = [_content(payload) for payload in self.contents]
        bundle["checkpoint"] = None if self.checkpoint is None else self.checkpoint.note
        if self.since is not None and self.checkpoint is not None:
            proof = consistency_proof(self.since, self.checkpoint.size, hashes)
            bundle["consistency"] = {"since": self.since, "proof": _hex(proof)}
        return bundle

    def _sealed(self) -> list[Leaf]:
        size = 0 if self.checkpoint is None else self.checkpoint.size
        return [leaf for leaf in self.leaves.values() if leaf.number < size]

    def _event(self, event: StoredEvent, hashes: Mapping[Node, bytes]) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "event_id": str(event.event_id),
            "version": event.version,
            "type": event.type,
            "schema_version": event.schema_version,
            "recorded_at": moment(event.recorded_at),
            "metadata": event.metadata,
            "data": event.data,
            "hash": event.hash.hex(),
            "leaf": None,
        }
        leaf = self.leaves.get(event.version)
        if leaf is not None and self.checkpoint is not None and leaf in self._sealed():
            proof = inclusion_proof(leaf.number, self.checkpoint.size, hashes)
            fields |= {"leaf": leaf.number, "inclusion": _hex(proof)}
        return fields


def _content(payload: Payload) -> dict[str, str]:
    return {
        "kind": str(payload.kind),
        "salt": payload.salt.hex(),
        "body": base64.b64encode(payload.body).decode("ascii"),
    }


def _hex(hashes: Sequence[bytes]) -> list[str]:
    return [each.hex() for each in hashes]
