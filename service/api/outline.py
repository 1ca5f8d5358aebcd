"""Where the parts of a long JSON object are, so that they can be read one by one.

A body of many megabytes that is read in one go stops everybody else for a tenth of a second and
more. Here the members of the object are found, and the elements of one of them, with pauses in
between. What they say, and whether each is right in itself, is for others to find out.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from service.api.pace import Pace

DEEPEST: Final = 200
"""Brackets in brackets: more are refused by whoever reads the parts."""
TOKENS_AT_A_TIME: Final = 1_024


class Outline(NamedTuple):
    """The parts of an object.

    Attributes:
        members: the text of each member but the array, by its name.
        elements: the text of each element of the array; `None` where there is no such array.
    """

    members: Mapping[str, str]
    elements: Sequence[str] | None


class TooManyElements(Exception):
    """The array has more elements than are wanted; the rest was not looked at."""


class TooLong(Exception):
    """A part is longer than any may be; the rest was not looked at.

    Args:
        name: of the member.
        place: of the element in the array; `None` for another member.
    """

    def __init__(self, name: str, place: int | None = None) -> None:
        super().__init__(name, place)
        self.name = name
        self.place = place


async def outline(text: str, array: str, most: int, longest: int) -> Outline:
    """Return the parts of a JSON object.

    Args:
        array: name of the member whose elements are wanted.
        most: so many elements are enough.
        longest: characters of a part.

    Raises:
        json.JSONDecodeError: the text is no JSON object.
        TooManyElements, TooLong: it has more than is wanted.
    """
    reader = _Reader(text, longest)
    members: dict[str, str] = {}
    elements: Sequence[str] | None = None
    reader.take("{")
    more = not reader.took("}")
    while more:
        name = reader.name()
        reader.take(":")
        if name == array and reader.took("["):
            elements = await reader.elements(name, most)
        else:
            members[name] = await reader.value(name)
        more = reader.took(",")
        if not more:
            reader.take("}")
    reader.end()
    return Outline(members, elements)


_string = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"[^\s,:\[\]{}\"]+")
_BETWEEN = re.compile(r"[^\[\]{}\"]*")


class _Reader:
    def __init__(self, text: str, longest: int) -> None:
        self._text = text
        self._longest = longest
        self._at = 0
        self._pace = Pace()

    def took(self, character: str) -> bool:
        """Go on behind a character, if it is the next one."""
        self._skip(_SPACE)
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def take(self, character: str) -> None:
        """Go on behind a character, which must be the next one."""
        if not self.took(character):
            raise self._error(f"expected '{character}'")

    def name(self) -> str:
        """Return the name of the next member."""
        self._skip(_SPACE)
        if not self._text.startswith('"', self._at):
            raise self._error("expected the name of a member")
        name, self._at = _string(self._text, self._at)
        return str(name)

    async def value(self, name: str, place: int | None = None) -> str:
        """Return the text of the next value, which has this name and place."""
        self._skip(_SPACE)
        begin = self._at
        if self._text.startswith(("{", "["), begin):
            await self._brackets(name, place)
        elif self._text.startswith('"', begin):
            _, self._at = _string(self._text, begin)
        elif not self._skip(_SCALAR):
            raise self._error("expected a value")
        if self._at - begin > self._longest:
            raise TooLong(name, place)
        await self._pace.breathe()
        return self._text[begin : self._at]

    async def elements(self, name: str, most: int) -> list[str]:
        """Return the text of each element up to the end of an array that has begun."""
        found: list[str] = []
        if self.took("]"):
            return found
        while True:
            if len(found) == most:
                raise TooManyElements
            found.append(await self.value(name, len(found)))
            if not self.took(","):
                self.take("]")
                return found

    def end(self) -> None:
        """Make sure that nothing follows."""
        self._skip(_SPACE)
        if self._at != len(self._text):
            raise self._error("expected the end of the body")

    async def _brackets(self, name: str, place: int | None) -> None:
        """Go on behind the bracket that closes the one here."""
        text, begin = self._text, self._at
        depth = tokens = 0
        while True:
            character = text[self._at : self._at + 1]
            if character == '"':
                _, self._at = _string(text, self._at)
            elif character in {"{", "["}:
                depth += 1
                self._at += 1
            elif character in {"}", "]"}:
                depth -= 1
                self._at += 1
            else:
                raise self._error("it is not complete")
            if depth == 0:
                return
            if depth > DEEPEST:
                raise self._error("it is nested too deeply")
            self._skip(_BETWEEN)
            tokens += 1
            if tokens % TOKENS_AT_A_TIME == 0:
                if self._at - begin > self._longest:
                    raise TooLong(name, place)
                await self._pace.breathe()

    def _skip(self, kind: re.Pattern[str]) -> bool:
        """Go on behind characters of a kind; tells whether there were any."""
        match = kind.match(self._text, self._at)
        if match is None or match.end() == self._at:
            return False
        self._at = match.end()
        return True

    def _error(self, reason: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(reason, self._text, self._at)
