"""The test vectors in the documentation are what this code and the stand-alone verifier compute."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.hashing import GENESIS, event_hash
from domain.log import StoredEvent
from domain.merkle import (
    Frontier,
    Node,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
)
from domain.payloads import hmac_of
from infrastructure.signing import SigningKey
from verifier import ketlog_verify

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "audit.md"
(BLOCK,) = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
VECTORS: dict[str, Any] = json.loads(BLOCK)
TASK_ID = UUID(VECTORS["task_id"])


def stored(event: dict[str, Any]) -> StoredEvent:
    return StoredEvent(
        position=0,
        xid=0,
        event_id=UUID(event["event_id"]),
        task_id=TASK_ID,
        version=event["version"],
        type=event["type"],
        schema_version=event["schema_version"],
        data=event["data"],
        metadata=event["metadata"],
        recorded_at=datetime.fromisoformat(event["recorded_at"]),
        hash=bytes.fromhex(event["hash"]),
    )


def test_the_hash_chain() -> None:
    previous = GENESIS
    for event in VECTORS["events"]:
        assert event_hash(previous, stored(event)).hex() == event["hash"]
        assert ketlog_verify.event_hash(previous, TASK_ID, event).hex() == event["hash"]
        previous = bytes.fromhex(event["hash"])


def test_the_commitment() -> None:
    content = VECTORS["content"]
    body = content["body"].encode()
    assert hmac_of(bytes.fromhex(content["salt"]), body) == content["hmac"]
    assert len(body) == content["size"]
    assert content["hmac"] in VECTORS["events"][0]["data"]


def test_the_tree_and_its_proofs() -> None:
    tree = Frontier.empty()
    hashes: dict[Node, bytes] = {}
    roots = []
    for number, leaf in enumerate(VECTORS["leaves"]):
        hashed = hashes[Node(0, number)] = leaf_hash(bytes.fromhex(leaf))
        assert hashed.hex() == VECTORS["leaf_hashes"][number]
        for level, completed in enumerate(tree.add(hashed), start=1):
            hashes[Node(level, number >> level)] = completed
        roots.append(tree.root())
    assert [root.hex() for root in roots] == VECTORS["roots"]
    inclusion = inclusion_proof(1, 3, hashes)
    assert [step.hex() for step in inclusion] == VECTORS["inclusion_of_leaf_1_in_3"]
    consistency = consistency_proof(2, 3, hashes)
    assert [step.hex() for step in consistency] == VECTORS["consistency_from_2_to_3"]
    for module_includes, module_extends in (
        (includes, extends),
        (ketlog_verify.includes, ketlog_verify.extends),
    ):
        assert module_includes(1, hashes[Node(0, 1)], 3, roots[2], inclusion)
        assert module_extends(2, roots[1], 3, roots[2], consistency)


def test_the_key_and_its_checkpoint() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["private_key"]))
    key = SigningKey("ketlog", private)
    root = bytes.fromhex(VECTORS["roots"][2])
    assert key.verifier_key.encode() == VECTORS["public_key"]
    assert key.sign(3, root).note() == VECTORS["checkpoint"]
    keys = ketlog_verify.read_keys(VECTORS["public_key"])
    assert ketlog_verify.open_checkpoint(VECTORS["checkpoint"], keys) == (3, root, None)
