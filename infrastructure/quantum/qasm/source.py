"""The text of a program: its size, its OpenQASM version, and places in it."""

import re
from bisect import bisect_right
from functools import cached_property

from infrastructure.quantum.qasm.errors import Code, ProgramError

SKIP = r"(?:\s++|//[^\n]*+|/\*(?s:.*?)\*/)*+"
"""Pattern of what separates tokens: white space and comments. Possessive, so that it is linear."""

_VERSION = re.compile(SKIP + r"OPENQASM\b\s*+([^;\s]*+)\s*+(;?)")
_SUPPORTED_VERSIONS = {"2": "2.0", "2.0": "2.0", "3": "3.0", "3.0": "3.0", "3.1": "3.1"}
_LOOKS_LIKE_VERSION_2 = re.compile(
    SKIP + rf"(?:include\s*['\"][^'\"\n]*['\"]\s*;{SKIP})*(?:qreg|creg|opaque)\b"
)
_LIBRARY_OF_VERSION_2 = re.compile(r"""^[ \t]*+include\s*+['"]qelib1\.inc['"]""", re.MULTILINE)
_BYTE_ORDER_MARK = "\ufeff"


class Source:
    """A program's text without its byte order mark.

    Attributes:
        text: the text; all offsets count its characters.
        version: "2.0", "3.0" or "3.1", as stated, or detected where nothing is stated.
        start: offset of what follows the version statement.
    """

    def __init__(self, text: str, max_bytes: int) -> None:
        _check_size(text, max_bytes)
        self.text = text.removeprefix(_BYTE_ORDER_MARK)
        self.start = 0
        self.version = self._stated_version() or self._detected_version()

    def _stated_version(self) -> str | None:
        match = _VERSION.match(self.text)
        if match is None:
            return None
        stated, semicolon = match.groups()
        version = _SUPPORTED_VERSIONS.get(stated)
        if version is None:
            raise self.error(
                Code.UNSUPPORTED_VERSION if stated else Code.PARSE_ERROR,
                f"OpenQASM version {stated[:20] or 'missing'} is not supported;"
                " state 2.0, 3, 3.0 or 3.1",
                match.start(1),
            )
        if not semicolon:
            raise self.error(
                Code.PARSE_ERROR, "the version statement has no semicolon", match.end(1)
            )
        self.start = match.end()
        return version

    def _detected_version(self) -> str:
        is_2 = _LOOKS_LIKE_VERSION_2.match(self.text) or _LIBRARY_OF_VERSION_2.search(self.text)
        return "2.0" if is_2 else "3.0"

    @property
    def is_version_2(self) -> bool:
        """Whether the program is OpenQASM 2."""
        return self.version == "2.0"

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both counted from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def error(self, code: Code, message: str, offset: int) -> ProgramError:
        """Return an error that points to an offset of the text."""
        return ProgramError(code, message, *self.place(offset))


def _check_size(text: str, max_bytes: int) -> None:
    too_large = len(text) > max_bytes or (
        4 * len(text) > max_bytes and len(text.encode("utf-8", "surrogatepass")) > max_bytes
    )
    if too_large:
        raise ProgramError(
            Code.PROGRAM_TOO_LARGE, f"the program is larger than the limit of {max_bytes} bytes"
        )
