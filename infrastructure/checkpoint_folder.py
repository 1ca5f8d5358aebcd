"""Where checkpoints are shipped to: a folder, best on a machine whose owner is not the log's.

Each checkpoint is a file of its own, named for the size of the tree and written at once or not at
all: `00000000000000/00000000000000300000.checkpoint` holds the one of size 300,000.
"""

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from domain.errors import KetlogError

_SIZES_A_FOLDER = 1_000_000
_SUFFIX = ".checkpoint"
_NAME = re.compile(r"(\d{20})\.checkpoint")
_FOLDER = re.compile(r"\d{14}")


class AnotherCheckpoint(KetlogError):
    """A checkpoint of this size was shipped before, and it says something else."""


class CheckpointFolder:
    """Checkpoints as they were shipped. Every method may raise `OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ship(self, size: int, note: str) -> None:
        """Write a checkpoint, durably; nothing happens if it is there already.

        Raises:
            AnotherCheckpoint: the one that is there says something else.
        """
        file = self._file(size)
        if file.exists():
            if file.read_text() != note:
                raise AnotherCheckpoint(f"{file} was shipped before and says something else")
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
        with temporary.open("x") as stream:
            stream.write(note)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        _flush_names(file.parent)

    def sizes(self) -> Iterator[int]:
        """Yield the sizes that were shipped, smallest first; files of other names are not ours."""
        for folder in _sorted_names(self.path, _FOLDER):
            for name in _sorted_names(self.path / folder, _NAME):
                yield int(name.removesuffix(_SUFFIX))

    def latest(self) -> int:
        """Return the largest size that was shipped, or 0."""
        for folder in reversed(_sorted_names(self.path, _FOLDER)):
            for name in reversed(_sorted_names(self.path / folder, _NAME)):
                return int(name.removesuffix(_SUFFIX))
        return 0

    def read(self, size: int) -> str:
        """Return a checkpoint as it was shipped, whatever has become of it."""
        return self._file(size).read_bytes().decode(errors="replace")

    def _file(self, size: int) -> Path:
        return self.path / f"{size // _SIZES_A_FOLDER:014}" / f"{size:020}{_SUFFIX}"


def _sorted_names(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if pattern.fullmatch(entry.name))


def _flush_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
