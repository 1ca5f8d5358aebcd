"""Checkpoints are text that others can read, and nothing else is taken for one."""

import pytest

from domain.checkpoint import Checkpoint, NoteSignature, SignedCheckpoint, VerifierKey, parse_note
from domain.errors import InvalidCheckpoint

ROOT = bytes(range(32))
CHECKPOINT = Checkpoint("ketlog.example/log", 300_000, ROOT)
SIGNED = SignedCheckpoint(
    CHECKPOINT,
    CHECKPOINT.text(),
    (NoteSignature("ketlog.example/log", b"\x01\x02\x03\x04", bytes(64)),),
)
NOTE = SIGNED.note()

PUBLISHED_EXAMPLE = (
    "example.com/behind-the-sofa\n"
    "20852163\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    "\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5"
    "/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
"""The checkpoint that the specification shows."""

KNOWN_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
"""A public key that another log has published in this format."""


def test_a_checkpoint_has_the_published_form() -> None:
    assert CHECKPOINT.text() == (
        "ketlog.example/log\n300000\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    )
    assert NOTE.startswith(CHECKPOINT.text() + "\n— ketlog.example/log AQIDBA")


def test_a_note_is_read_as_it_was_written() -> None:
    assert parse_note(NOTE) == SIGNED


def test_the_example_of_the_specification_is_read_byte_for_byte() -> None:
    signed = parse_note(PUBLISHED_EXAMPLE)
    assert signed.checkpoint.origin == "example.com/behind-the-sofa"
    assert signed.checkpoint.size == 20_852_163
    assert signed.signatures[0].key_id.hex() == "033de0ae"
    assert signed.note() == PUBLISHED_EXAMPLE


def test_extension_lines_are_kept_in_what_is_signed() -> None:
    text = CHECKPOINT.text() + "an extension\n"
    signed = parse_note(text + "\n" + SIGNED.signatures[0].line())
    assert (signed.checkpoint, signed.signed_text) == (CHECKPOINT, text)


@pytest.mark.parametrize(
    ("note", "reason"),
    [
        ("", "no empty line"),
        ("nonsense", "no empty line"),
        (NOTE[:-1], "it was cut"),
        (CHECKPOINT.text() + "\n", "it was cut"),
        (NOTE.replace("\n300000", ""), "not made of origin"),
        (NOTE.replace("ketlog.example/log\n3", "\n3"), "not made of origin"),
        (NOTE.replace("300000", "0300000"), "no number"),
        (NOTE.replace("300000", "-1"), "no number"),
        (NOTE.replace("300000", "٣"), "no number"),
        (NOTE.replace("300000", "9" * 19), "out of range"),
        (NOTE.replace("300000", "9" * 4000), "no number"),
        (NOTE.replace("AAECAwQF", "!AECAwQF"), "the root is not base64"),
        (NOTE.replace("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAEC"), "3 bytes"),
        (NOTE.replace("— ", "- "), "no signature line"),
        (NOTE.replace("— ketlog.example/log", "— a+b"), "no signature line"),
        (NOTE.replace("AQIDBAAA", "AQIDB!AA"), "a signature is not base64"),
        (CHECKPOINT.text() + "\n— ketlog AQID\n", "too short"),
        (NOTE.replace("ketlog", "ket\x1b[2Jlog"), "no checkpoint has"),
        (NOTE + "x" * 20_000, "longer than"),
        (NOTE.replace("ketlog", "\ud800"), "no checkpoint has"),
    ],
)
def test_anything_else_is_refused_with_its_reason(note: str, reason: str) -> None:
    with pytest.raises(InvalidCheckpoint, match=reason):
        parse_note(note)


def test_a_key_of_another_log_has_the_id_that_it_was_published_with() -> None:
    key = VerifierKey.decode(KNOWN_KEY + "\n")
    assert key.name == "sum.golang.org"
    assert key.key_id.hex() == "033de0ae"
    assert key.encode() == KNOWN_KEY


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not base64"),
        ("only-a-name", "not base64"),
        (KNOWN_KEY.replace("033de0ae", "033de0af"), "not that of its bytes"),
        (KNOWN_KEY.replace("+Ac4z", "+Bc4z"), "not one for Ed25519"),
        (KNOWN_KEY[:-4], "can be named|not that of"),
        (KNOWN_KEY.replace("sum.golang.org", "a b"), "can be named"),
    ],
)
def test_a_damaged_key_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidCheckpoint, match=reason):
        VerifierKey.decode(text)
