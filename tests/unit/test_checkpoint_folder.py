"""Shipped checkpoints are files, each written at once, once."""

from pathlib import Path

import pytest

from infrastructure.checkpoint_folder import AnotherCheckpoint, CheckpointFolder


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "none")
    assert (folder.latest(), list(folder.sizes())) == (0, [])


def test_checkpoints_are_found_by_size_over_all_folders(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    sizes = [3, 999_999, 1_000_000, 25_000_001, 9_000_000_000_000]
    for size in reversed(sizes):
        folder.ship(size, f"note {size}")
    assert list(folder.sizes()) == sizes
    assert folder.latest() == sizes[-1]
    assert [folder.read(size) for size in sizes] == [f"note {size}" for size in sizes]
    assert (tmp_path / "00000000000000" / "00000000000000000003.checkpoint").exists()


def test_shipping_again_changes_nothing(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.ship(3, "note")
    folder.ship(3, "note")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [
        "00000000000000000003.checkpoint"
    ]


def test_another_checkpoint_of_the_same_size_is_refused(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.ship(3, "note")
    with pytest.raises(AnotherCheckpoint, match="says something else"):
        folder.ship(3, "another note")
    assert folder.read(3) == "note"


def test_files_of_other_names_are_nothing_to_do_with_us(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.ship(3, "note")
    (tmp_path / "README").touch()
    (tmp_path / "00000000000000" / ".00000000000000000004.checkpoint-abcd").touch()
    assert list(folder.sizes()) == [3]


def test_a_file_that_became_something_else_is_still_read(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    folder.ship(3, "note")
    next(tmp_path.rglob("*.checkpoint")).write_bytes(b"\xff\xfe")
    assert folder.read(3) == "\ufffd\ufffd"
