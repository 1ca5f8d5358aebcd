"""Query parameters: what may be asked for, and in which form."""

import base64
import binascii
import re
import struct
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from starlette.types import Scope

from domain.identifiers import is_correlation_id
from domain.log import LogCursor
from service.api.problems import FieldProblem, invalid_request

T = TypeVar("T")

MAX_VERSION = 2**31 - 1
_CURSOR = struct.Struct(">BQQ")
_CURSOR_FORM = 1
CURSOR_PATTERN = "^A[Q-X][A-Za-z0-9_-]{10}[A-Za-f][A-Za-z0-9_-]{10}$"
"""Cursors as text: the form, and two numbers below 2**63."""
_LARGEST = 2**63
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?P<fraction>\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)"
)
_PLUS_READ_AS_SPACE = re.compile(r" (\d\d:\d\d)$")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MILLISECOND_DIGITS = len(".123")

Readers = Mapping[str, Callable[[str], object]]


def query_parameters(scope: Scope, allowed: Collection[str]) -> dict[str, list[str]]:
    """Return a request's query parameters by name.

    Raises:
        Problem: 422, one of them is not known here: a misspelt question must not get the answer
            to another one.
    """
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        given.setdefault(name, []).append(value)
    unknown = [name for name in given if name not in allowed]
    if unknown:
        expected = f"unknown parameter; the parameters are {', '.join(sorted(allowed))}"
        raise invalid_request([FieldProblem(name[:100], expected) for name in unknown])
    return given


def single(given: Mapping[str, list[str]], name: str, parse: Callable[[str], T], otherwise: T) -> T:
    """Return the value of a parameter that may be given once; raises `Problem` (422)."""
    values = given.get(name)
    if values is None:
        return otherwise
    try:
        if len(values) > 1:
            raise ValueError("must be given once")  # noqa: TRY301 - worded as the others are
        return parse(values[0])
    except ValueError as error:
        raise invalid_request([FieldProblem(name, str(error))]) from None


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within bounds."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(highest))):
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        number = int(text)
        if not lowest <= number <= highest:
            raise ValueError(f"must be from {lowest} to {highest}")
        return number

    return parse


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """Return a parser of one of these names."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"is none of {', '.join(names)}")
        return text

    return parse


def uuid(text: str) -> UUID:
    """Return a UUID in its usual form; raises `ValueError` saying what it must look like."""
    if _UUID.fullmatch(text) is None:
        raise ValueError("must be a UUID such as 550e8400-e29b-41d4-a716-446655440000")
    return UUID(text)


def correlation_id(text: str) -> str:
    """Return a correlation id; raises `ValueError` saying what it must look like."""
    if not is_correlation_id(text):
        raise ValueError("must be 1 to 128 printable ASCII characters")
    return text


def time(text: str) -> datetime:
    """Return an RFC 3339 time in UTC; raises `ValueError` saying what it must look like."""
    # A plus sign that the client did not escape arrives as a space.
    return rfc3339(_PLUS_READ_AS_SPACE.sub(r"+\1", text))


def rfc3339(text: str) -> datetime:
    """Return an RFC 3339 time in UTC; raises `ValueError` saying what it must look like."""
    try:
        if _TIME.fullmatch(text) is None:
            raise ValueError  # noqa: TRY301 - worded below
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a time of RFC 3339 with its offset, such as 2025-12-28T14:30:00.123Z"
        ) from None


def end_of_moment(text: str) -> datetime:
    """Return the last microsecond that a time names.

    Answers show milliseconds. An event that is shown with a time is to be part of what was known
    at that time; only a time with more digits is taken to the microsecond.
    """
    moment = time(text)
    found = _TIME.fullmatch(_PLUS_READ_AS_SPACE.sub(r"+\1", text))
    fraction = "" if found is None else found["fraction"] or ""
    if len(fraction) > _MILLISECOND_DIGITS:
        return moment
    return moment + timedelta(microseconds=999)


def cursor_text(cursor: LogCursor) -> str:
    """Return a place in the log as the opaque text that clients hand back."""
    packed = _CURSOR.pack(_CURSOR_FORM, cursor.xid, cursor.position)
    return base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def cursor(text: str) -> LogCursor:
    """Return the place in the log that `cursor_text` wrote; raises `ValueError` for any other."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        form, xid, position = _CURSOR.unpack(packed)
    except (struct.error, binascii.Error, ValueError):
        form, xid, position = 0, 0, 0
    if form != _CURSOR_FORM or xid >= _LARGEST or position >= _LARGEST:
        raise ValueError("must be the `cursor` of an earlier answer, unchanged; omit it to begin")
    return LogCursor(xid, position)
