"""Tokens of OpenQASM 2 and 3, read one at a time as the parser asks for them."""

import re
from typing import NamedTuple, Never

from infrastructure.quantum.qasm.errors import Code
from infrastructure.quantum.qasm.source import SKIP, Source

_DIGITS = r"[0-9](?:_?[0-9])*+"
_FLOAT = (
    rf"(?:{_DIGITS}\.(?:{_DIGITS})?|\.{_DIGITS}|(?={_DIGITS}[eE]){_DIGITS})(?:[eE][+-]?{_DIGITS})?"
)
_TOKEN = re.compile(
    SKIP
    + rf"""(?:
      (?P<name>[^\W\d]\w*+)
    | (?P<timing>(?:{_FLOAT}|{_DIGITS})[ \t]*(?:dt|ns|us|µs|μs|ms|s)\b)
    | (?P<imaginary>(?:{_FLOAT}|{_DIGITS})[ \t]*im\b)
    | (?P<float>{_FLOAT})
    | (?P<integer>0[xX][0-9a-fA-F](?:_?[0-9a-fA-F])*+|0[bB][01](?:_?[01])*+|0[oO][0-7](?:_?[0-7])*+
        |{_DIGITS})
    | (?P<bits>"[01](?:_?[01])*+")
    | (?P<string>"[^"\r\n]*"|'[^'\r\n]*')
    | (?P<physical>\$[0-9]+)
    | (?P<operator>->|\+\+|\*\*=|\*\*|<<=|>>=|<=|>=|==|!=|&&|\|\||<<|>>|[-+*/%&|^~]=
        |/(?!\*)|[-+*%&|^~!<>=@()\[\]{{}},;:\#.])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_UNTERMINATED_COMMENT = re.compile(SKIP + r"/\*")
_MAX_LITERAL_DIGITS = 4_000

KEYWORDS_2 = frozenset(
    {"OPENQASM", "include", "qreg", "creg", "gate", "opaque", "barrier", "measure", "reset", "if"}
)
KEYWORDS_3 = frozenset(
    {
        "OPENQASM",
        "include",
        "defcalgrammar",
        "def",
        "cal",
        "defcal",
        "gate",
        "extern",
        "box",
        "let",
        "break",
        "continue",
        "if",
        "else",
        "end",
        "return",
        "for",
        "while",
        "in",
        "switch",
        "case",
        "default",
        "pragma",
        "input",
        "output",
        "const",
        "readonly",
        "mutable",
        "qreg",
        "qubit",
        "creg",
        "bool",
        "bit",
        "int",
        "uint",
        "float",
        "angle",
        "complex",
        "array",
        "void",
        "duration",
        "stretch",
        "gphase",
        "inv",
        "pow",
        "ctrl",
        "negctrl",
        "durationof",
        "delay",
        "reset",
        "measure",
        "barrier",
        "true",
        "false",
    }
)


def keywords(source: Source) -> frozenset[str]:
    """Return the words that cannot be names in the version of a program."""
    return KEYWORDS_2 if source.is_version_2 else KEYWORDS_3


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: group of the token pattern, or "keyword".
        text: its characters.
        start: offset of the first one.
        end: offset after the last one.
    """

    kind: str
    text: str
    start: int
    end: int


class TokenStream:
    """The tokens of a source, with one token of look-ahead."""

    def __init__(self, source: Source, start: int) -> None:
        self.source = source
        self._keywords = keywords(source)
        self._ahead: Token | None = None
        self.token = self._read(start)

    def seek(self, offset: int) -> None:
        """Continue at an offset of the text."""
        self._ahead = None
        self.token = self._read(offset)

    def _read(self, offset: int) -> Token:
        match = _TOKEN.match(self.source.text, offset)
        if match is None or match.lastgroup is None:
            self._reject(offset)
        kind = match.lastgroup
        text = match[kind]
        start = match.start(kind)
        if kind == "name" and text in self._keywords:
            kind = "keyword"
        elif len(text) > _MAX_LITERAL_DIGITS and kind in ("integer", "bits", "physical", "timing"):
            self.fail("a literal has too many digits", start)
        return Token(kind, text, start, match.end())

    def _reject(self, offset: int) -> Never:
        text = self.source.text
        if comment := _UNTERMINATED_COMMENT.match(text, offset):
            self.fail("a comment is not closed with */", comment.end() - 2)
        skipped = re.compile(SKIP).match(text, offset)
        place = skipped.end() if skipped else offset
        self.fail(f"unexpected character {text[place]!r}", place)

    def peek(self) -> Token:
        """Return the token after the current one."""
        if self._ahead is None:
            self._ahead = self._read(self.token.end)
        return self._ahead

    def advance(self) -> Token:
        """Return the current token and move to the next one."""
        token = self.token
        if self._ahead is not None:
            self.token, self._ahead = self._ahead, None
        elif token.kind != "end":
            self.token = self._read(token.end)
        return token

    def at(self, text: str) -> bool:
        """Whether the current token is this keyword or operator."""
        token = self.token
        return token.text == text and token.kind in ("operator", "keyword")

    def accept(self, text: str) -> bool:
        """Move past the current token if it is this keyword or operator."""
        if self.at(text):
            self.advance()
            return True
        return False

    def expect(self, text: str) -> Token:
        """Move past this keyword or operator, which has to be there."""
        if not self.at(text):
            self.unexpected(f"'{text}'")
        return self.advance()

    def expect_kind(self, kind: str, what: str) -> Token:
        """Move past a token of this kind, which has to be there."""
        if self.token.kind != kind:
            self.unexpected(what)
        return self.advance()

    def rest_of_line(self, start: int) -> str:
        """Return the text from an offset to the end of its line and continue after it."""
        text = self.source.text
        newline = text.find("\n", start)
        end = len(text) if newline < 0 else newline
        self.seek(end)
        return text[start:end].rstrip("\r").lstrip(" \t")

    def unexpected(self, wanted: str) -> Never:
        """Refuse the current token."""
        token = self.token
        found = "the end of the program" if token.kind == "end" else f"'{token.text[:40]}'"
        self.fail(f"expected {wanted}, found {found}", token.start)

    def fail(self, message: str, offset: int | None = None) -> Never:
        """Refuse the program at an offset, or at the current token."""
        place = self.token.start if offset is None else offset
        raise self.source.error(Code.PARSE_ERROR, message, place)
