"""The signing key: where it lies, who may read it, and what its signatures are worth."""

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.checkpoint import Checkpoint, NoteSignature, SignedCheckpoint, VerifierKey, parse_note
from infrastructure.signing import (
    SignatureProblem,
    SigningKey,
    SigningKeyError,
    load_or_make,
    signature_problem,
    verifier_keys,
)

ROOT = bytes(32)


def test_the_first_start_makes_a_key_that_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.key"
    made = load_or_make(path, "ketlog", may_make=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in sorted(path.parent.iterdir())] == [
        "signing.key",
        "signing.key.pub",
    ]
    again = load_or_make(path, "ketlog", may_make=False)
    assert again.verifier_key == made.verifier_key
    published = (path.parent / "signing.key.pub").read_text()
    assert verifier_keys(published) == [made.verifier_key]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    with ThreadPoolExecutor(8) as threads:
        keys = threads.map(lambda _: load_or_make(path, "ketlog", may_make=True), range(16))
    assert len({key.verifier_key for key in keys}) == 1


def test_a_key_made_by_openssl_serves(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)], check=False
    )
    if made.returncode:
        pytest.skip("there is no openssl here")
    path.chmod(0o600)
    key = load_or_make(path, "ketlog", may_make=False)
    assert signature_problem(key.sign(1, ROOT), [key.verifier_key]) is None


def test_earlier_public_keys_stay_known(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    first = load_or_make(path, "ketlog", may_make=True)
    path.unlink()
    second = load_or_make(path, "ketlog", may_make=True)
    published = (tmp_path / "signing.key.pub").read_text()
    assert verifier_keys(published) == [first.verifier_key, second.verifier_key]


def test_a_missing_key_is_not_replaced_behind_the_back_of_its_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(SigningKeyError, match="Put it back"):
        load_or_make(tmp_path / "signing.key", "ketlog", may_make=False)
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    load_or_make(path, "ketlog", may_make=True)
    path.chmod(0o644)
    with pytest.raises(SigningKeyError, match="chmod 600"):
        load_or_make(path, "ketlog", may_make=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no unencrypted private key"), (b"\xff\xfe junk", "no unencrypted private key")],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "signing.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SigningKeyError, match=reason):
        load_or_make(path, "ketlog", may_make=True)


def test_a_key_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    made = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "x25519", "-out", str(path)], check=False
    )
    if made.returncode:
        pytest.skip("there is no openssl here")
    path.chmod(0o600)
    with pytest.raises(SigningKeyError, match="another kind"):
        load_or_make(path, "ketlog", may_make=False)


def test_a_folder_that_cannot_be_made_is_named_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SigningKeyError, match="SIGNING_KEY_FILE"):
        load_or_make(tmp_path / "file" / "signing.key", "ketlog", may_make=True)


def test_a_name_that_no_key_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SigningKeyError, match="LOG_ORIGIN"):
        load_or_make(tmp_path / "signing.key", "ket log", may_make=True)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey("ketlog", Ed25519PrivateKey.generate())


def test_a_signature_is_verified_with_the_public_key_alone(key: SigningKey) -> None:
    note = key.sign(7, ROOT).note()
    public = VerifierKey.decode(key.verifier_key.encode())
    assert parse_note(note).checkpoint == Checkpoint("ketlog", 7, ROOT)
    assert signature_problem(parse_note(note), [public]) is None


def test_an_edited_checkpoint_is_told_from_one_by_another_key(key: SigningKey) -> None:
    note = key.sign(7, ROOT).note()
    edited = parse_note(note.replace("\n7\n", "\n8\n"))
    assert signature_problem(edited, [key.verifier_key]) is SignatureProblem.WRONG_SIGNATURE
    stranger = SigningKey("ketlog", Ed25519PrivateKey.generate()).verifier_key
    assert signature_problem(parse_note(note), [stranger]) is SignatureProblem.NOT_SIGNED_BY_US
    assert signature_problem(parse_note(note), []) is SignatureProblem.NOT_SIGNED_BY_US


def test_signatures_of_unknown_keys_do_not_matter(key: SigningKey) -> None:
    signed = key.sign(7, ROOT)
    witness = NoteSignature("a-witness", b"\x00\x00\x00\x01", b"whatever")
    with_witness = replace(signed, signatures=(witness, *signed.signatures))
    assert signature_problem(with_witness, [key.verifier_key]) is None


def test_a_signature_of_the_wrong_length_is_just_wrong(key: SigningKey) -> None:
    signed = key.sign(7, ROOT)
    short = NoteSignature("ketlog", key.verifier_key.key_id, b"short")
    cut = SignedCheckpoint(signed.checkpoint, signed.signed_text, (short,))
    assert signature_problem(cut, [key.verifier_key]) is SignatureProblem.WRONG_SIGNATURE
