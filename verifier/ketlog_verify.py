#!/usr/bin/env python3
"""Verifies a ketlog task offline: one file, Python 3.9 or newer, and the package `cryptography`.

    curl -s 'https://…/tasks/<id>/proof?contents=true' > task.json
    python ketlog_verify.py --key ketlog+1a2b3c4d+AbCd… task.json

The key is the public key of the log, as its operator publishes it (or a file with such keys, one a
line). Nothing else is trusted, no connection is made. What is checked:

- the hash of every event follows from its content and the event before it;
- every event is in the Merkle tree that the checkpoint was signed over;
- the contents that are in the file are those that the events commit to;
- with --checkpoint FILE: the tree begins with the one of a checkpoint that you kept from before.

Ends with 0 when everything holds, with 1 when something does not, with 2 when the input cannot be
read. Events that are under no checkpoint yet are named: nobody vouches for them so far.

What it cannot tell is whether further events of the task exist: ask for the file again later.
The formats are specified in docs/audit.md of ketlog.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import hmac
import json
import re
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "ketlog.proof.1"
ERASURE = "TaskErased"
CONTENTS = ("circuit", "parameters", "result", "memory")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - older Pythons have no UTC
ED25519 = b"\x01"
HASH_BYTES, KEY_BYTES, KEY_ID_BYTES = 32, 32, 4
LONGEST_PATH = 4096

Json = Any
Keys = dict[tuple[str, bytes], bytes]
"""Public keys by name and id."""
Commitments = dict[str, tuple[int, tuple[object, object]]]
"""(version, (hmac, size)) by kind of content."""


class Unreadable(Exception):
    """The input is not what it should be; nothing can be said about it."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--key", action="append", required=True, help="public key, or file of keys")
    parser.add_argument("--checkpoint", help="file with a checkpoint that you kept from before")
    parser.add_argument("file", help="answer of GET /tasks/<id>/proof; - is the standard input")
    options = parser.parse_args(arguments)
    try:
        keys = {name: key for text in options.key for name, key in read_keys(text).items()}
        kept = Path(options.checkpoint).read_text("utf-8") if options.checkpoint else None
        text = sys.stdin.read() if options.file == "-" else Path(options.file).read_text("utf-8")
        verification = Verification(parse_json(text), keys, kept)
        verification.run()
    except (Unreadable, OSError, UnicodeDecodeError) as error:
        print(f"cannot verify: {error}", file=sys.stderr)
        return 2
    for line in verification.lines:
        print(line)
    if verification.wrong:
        print(f"NOT OK: {verification.wrong} wrong.")
        return 1
    if not verification.in_tree:
        print("nothing of it is signed yet: ask for it again in a moment", file=sys.stderr)
        return 2
    print(f"OK: {verification.in_tree} events are what the log has signed.")
    return 0


class Verification:
    """The checks on one file, and what they came to."""

    def __init__(self, bundle: Json, keys: Keys, kept: str | None) -> None:
        self.bundle = bundle
        self.keys = keys
        self.kept = kept
        self.task_id = uuid(bundle, "task_id")
        self.erased_by: int | None = None
        self.lines: list[str] = []
        self.wrong = 0
        self.in_tree = 0

    def run(self) -> None:
        bundle = self.bundle
        if member(bundle, "format", str) != FORMAT:
            raise Unreadable(f"its format is {bundle['format']!r}, and this reads {FORMAT!r}")
        self.say(f"task {self.task_id}")
        size, root = self.checkpoint()
        events = [member(each, None, dict) for each in member(bundle, "events", list)]
        commitments = self.events(events, size, root)
        self.contents(commitments)
        if self.kept is not None:
            self.consistency(self.kept, size, root)

    def checkpoint(self) -> tuple[int, bytes]:
        """Check who signed; returns the size and root of the tree, or a tree without leaves."""
        note = self.bundle.get("checkpoint")
        if note is None:
            self.say("there is no checkpoint yet: nobody vouches for these events so far")
            return 0, b""
        size, root, problem = open_checkpoint(note, self.keys)
        if problem:
            self.fail(f"checkpoint of size {size}: {problem}")
        else:
            self.say(f"checkpoint over {size} events: signature is right")
        return size, root

    def events(self, events: list[Json], size: int, root: bytes) -> Commitments:
        """Check chain and inclusion; returns the contents that the events commit to."""
        previous, open_ends = bytes(HASH_BYTES), []
        commitments: Commitments = {}
        if not events:
            self.fail("there are no events")
        for expected, event in enumerate(events, start=1):
            version = member(event, "version", int)
            stored = hexadecimal(event, "hash", HASH_BYTES)
            if version != expected:
                self.fail(f"version {expected} is missing: version {version} stands in its place")
                return commitments
            if event_hash(previous, self.task_id, event) != stored:
                self.fail(f"version {version}: its hash does not follow from its content")
            leaf = event.get("leaf")
            if leaf is None:
                open_ends.append(version)
            elif self.included(event, stored, size, root):
                self.in_tree += 1
            if member(event, "type", str) == ERASURE:
                self.erased_by = version
            previous = stored
            commitments.update(commitments_in(event, version))
        self.say(f"{len(events)} events, {self.in_tree} of them shown to be in the signed tree")
        if self.erased_by is not None:
            self.say(f"version {self.erased_by} says that the contents were erased")
        for version in open_ends:
            self.say(f"version {version} is under no checkpoint yet: nobody vouches for it so far")
        return commitments

    def included(self, event: Json, stored: bytes, size: int, root: bytes) -> bool:
        leaf = member(event, "leaf", int)
        proof = hashes(event, "inclusion")
        if not includes(leaf, sha256(b"\x00" + stored), size, root, proof):
            self.fail(f"version {event['version']}: it is not leaf {leaf} of the signed tree")
            return False
        return True

    def contents(self, commitments: Commitments) -> None:
        if "contents" not in self.bundle:
            return
        there = set()
        for content in member(self.bundle, "contents", list):
            kind = member(content, "kind", str)
            there.add(kind)
            if self.erased_by is not None:
                self.fail(f"the {kind} is there, which version {self.erased_by} erased")
                continue
            if kind not in commitments:
                self.fail(f"no event commits to the {kind}")
                continue
            version, said = commitments[kind]
            body = base64_bytes(member(content, "body", str))
            computed = hmac.new(hexadecimal(content, "salt", HASH_BYTES), body, hashlib.sha256)
            if (computed.hexdigest(), len(body)) == said:
                self.say(f"the {kind} is what version {version} commits to")
            else:
                self.fail(f"the {kind} is not what version {version} commits to")
        for kind in commitments:
            if kind in there:
                continue
            if self.erased_by is not None:
                self.say(f"the {kind} was erased; its event stays valid")
            else:
                self.say(f"the {kind} is not there, and no event says why; its event stays valid")

    def consistency(self, kept: str, size: int, root: bytes) -> None:
        old_size, old_root, problem = open_checkpoint(kept, self.keys)
        if problem:
            self.fail(f"the checkpoint that you kept, of size {old_size}: {problem}")
            return
        if old_size > size:
            self.fail(f"you kept a checkpoint over {old_size} events, and now there are {size}")
            return
        given = self.bundle.get("consistency") or {"since": size, "proof": []}
        if member(given, "since", int) != old_size:
            raise Unreadable(
                f"it proves nothing about the checkpoint that you kept: "
                f"ask for /tasks/{self.task_id}/proof?since={old_size}"
            )
        if extends(old_size, old_root, size, root, hashes(given, "proof")):
            self.say(f"the log continues the one of the checkpoint that you kept ({old_size})")
        else:
            self.fail(f"the log was rewritten: it does not continue your checkpoint ({old_size})")

    def say(self, line: str) -> None:
        self.lines.append(f"  {line}" if self.lines else line)

    def fail(self, line: str) -> None:
        self.wrong += 1
        self.lines.append(f"  WRONG: {line}")


# --- the hash chain ----------------------------------------------------------------------------


def event_hash(previous: bytes, task_id: UUID, event: Json) -> bytes:
    return sha256(
        b"ketlog.event.1"
        + previous
        + task_id.bytes
        + int4(event, "version")
        + text_with_length(event, "type")
        + int4(event, "schema_version")
        + uuid(event, "event_id").bytes
        + microseconds(member(event, "recorded_at", str)).to_bytes(8, "big", signed=True)
        + text_with_length(event, "metadata")
        + text_with_length(event, "data")
    )


def commitments_in(event: Json, version: int) -> Commitments:
    data = parse_json(member(event, "data", str))
    found: Commitments = {}
    for kind in CONTENTS if isinstance(data, dict) else ():
        said = data.get(kind)
        if isinstance(said, dict) and said.keys() == {"hmac", "size"}:
            found[kind] = version, (said["hmac"], said["size"])
    return found


# --- the tree (RFC 9162, sections 2.1.3.2 and 2.1.4.2) -----------------------------------------


def includes(leaf: int, hashed: bytes, size: int, root: bytes, proof: list[bytes]) -> bool:
    if not 0 <= leaf < size:
        return False
    position, last = leaf, size - 1
    for step in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            hashed = sha256(b"\x01" + step + hashed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            hashed = sha256(b"\x01" + hashed + step)
        position, last = position >> 1, last >> 1
    return last == 0 and hashed == root


def extends(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: list[bytes]
) -> bool:
    if old_size == new_size:
        return not proof and old_root == new_root
    if not 0 < old_size < new_size:
        return False
    steps = ([old_root] if old_size & (old_size - 1) == 0 else []) + proof
    if not steps:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = sha256(b"\x01" + step + old), sha256(b"\x01" + step + new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = sha256(b"\x01" + new + step)
        position, last = position >> 1, last >> 1
    return last == 0 and (old, new) == (old_root, new_root)


# --- checkpoints and keys (C2SP tlog-checkpoint, signed-note) ----------------------------------


def open_checkpoint(note: Json, keys: Keys) -> tuple[int, bytes, str | None]:
    """Return (size, root, what is wrong with its signature or None)."""
    text, gap, below = note.rpartition("\n\n") if isinstance(note, str) else ("", "", "")
    origin, size, encoded = [*text.split("\n"), "", ""][:3]
    if not gap or not encoded or not below.endswith("\n"):
        raise Unreadable("the checkpoint is not a signed note, or it was cut")
    root = base64_bytes(encoded)
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", size) or len(root) != HASH_BYTES:
        raise Unreadable("the checkpoint does not say the size and root of a tree")
    return int(size), root, signature_problem(text + "\n", origin, below[:-1].split("\n"), keys)


def signature_problem(text: str, origin: str, lines: list[str], keys: Keys) -> str | None:
    found = False
    for line in lines:
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        raw = base64_bytes(encoded)
        if dash != "\N{EM DASH}" or len(raw) <= KEY_ID_BYTES:
            raise Unreadable(f"the checkpoint has a line that is no signature: {line!r}")
        public_key = keys.get((name, raw[:KEY_ID_BYTES])) if name == origin else None
        if public_key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(raw[KEY_ID_BYTES:], text.encode())
        except InvalidSignature:
            return "its signature does not fit its text"
        found = True
    return None if found else "none of its signatures is by the given key"


def read_keys(text: str) -> Keys:
    """Read a public key, or a file of them."""
    path = Path(text)
    is_file = len(text) < LONGEST_PATH and path.is_file()
    keys = {}
    for line in path.read_text("utf-8").split() if is_file else [text]:
        name, _, rest = line.partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = base64_bytes(encoded)
        computed = sha256(name.encode() + b"\n" + raw)[:KEY_ID_BYTES]
        if raw[:1] != ED25519 or len(raw) != 1 + KEY_BYTES or computed.hex() != key_id:
            raise Unreadable(f"this is no public key of a log, and no file of them: {line!r}")
        keys[name, computed] = raw[1:]
    return keys


# --- fields ------------------------------------------------------------------------------------


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def parse_json(text: str) -> Json:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"it is not JSON, or it was cut: {error}") from error


def member(values: Json, name: str | None, kind: type) -> Json:
    value = values if name is None else values.get(name) if isinstance(values, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise Unreadable(f"{name or 'an entry'} is missing or of another kind: {str(value)[:60]!r}")
    return value


def uuid(values: Json, name: str) -> UUID:
    try:
        return UUID(member(values, name, str))
    except ValueError as error:
        raise Unreadable(f"{name} is no UUID") from error


def int4(values: Json, name: str) -> bytes:
    number: int = member(values, name, int)
    if not -(2**31) <= number < 2**31:
        raise Unreadable(f"{name} is out of range: {number}")
    return number.to_bytes(4, "big", signed=True)


def text_with_length(values: Json, name: str) -> bytes:
    encoded: bytes = member(values, name, str).encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(4, "big", signed=True) + encoded


def microseconds(text: str) -> int:
    if not TIME.fullmatch(text):
        raise Unreadable(f"recorded_at is not a UTC time with microseconds: {text[:40]!r}")
    try:
        parsed = datetime.fromisoformat(text[:-1]).replace(tzinfo=EPOCH.tzinfo)
    except ValueError as error:
        raise Unreadable(f"recorded_at is no time: {text!r}") from error
    return (parsed - EPOCH) // timedelta(microseconds=1)


def hexadecimal(values: Json, name: str, length: int) -> bytes:
    text = member(values, name, str)
    if not re.fullmatch("[0-9a-f]*", text) or len(text) != 2 * length:
        raise Unreadable(f"{name} is not {length} bytes in hexadecimal: {text[:80]!r}")
    return bytes.fromhex(text)


def hashes(values: Json, name: str) -> list[bytes]:
    given = member(values, name, list)
    return [hexadecimal({name: each}, name, HASH_BYTES) for each in given]


def base64_bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreadable(f"this is not base64: {text[:60]!r}") from error


if __name__ == "__main__":
    sys.exit(main())
