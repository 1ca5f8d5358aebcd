"""Writes of one turn of the event loop leave together."""

import asyncio
from typing import Any, cast

from service.api.protocol import HELD_BYTES, GatheringTransport


class Recorder:
    """A transport that remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append("close")

    def is_closing(self) -> bool:
        return "close" in self.calls


def gathering() -> tuple[GatheringTransport, Recorder]:
    recorder = Recorder()
    transport = cast("Any", recorder)
    return GatheringTransport(transport, asyncio.get_running_loop()), recorder


async def test_head_and_body_leave_with_one_write() -> None:
    transport, sent = gathering()
    transport.write(b"head ")
    transport.write(b"body")
    assert sent.calls == []
    await asyncio.sleep(0)
    assert sent.calls == [b"head body"]
    transport.write(b"next")
    await asyncio.sleep(0)
    assert sent.calls == [b"head body", b"next"]


async def test_what_was_written_leaves_before_the_end() -> None:
    transport, sent = gathering()
    transport.write(b"last words")
    transport.close()
    assert sent.calls == [b"last words", "close"]
    await asyncio.sleep(0)
    assert sent.calls == [b"last words", "close"]


async def test_large_data_is_not_held() -> None:
    transport, sent = gathering()
    transport.write(b"head ")
    transport.write(b"x" * (HELD_BYTES + 1))
    assert len(sent.calls) == 1
    await asyncio.sleep(0)
    assert len(sent.calls) == 1


async def test_everything_else_goes_to_the_transport() -> None:
    transport, _ = gathering()
    assert not transport.is_closing()
    transport.close()
    assert transport.is_closing()
