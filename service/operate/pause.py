"""Stops and resumes dispatch, and says what that leaves."""

from collections.abc import Callable

from domain.ports import Pauses
from infrastructure.postgres.census import Census

ACTOR = "operator"
NO_REASON = "no reason given"


async def pause(pauses: Pauses, reason: str, say: Callable[[str], None]) -> None:
    """Stop dispatch. An earlier pause stays as it is."""
    begun = await pauses.pause(reason or NO_REASON, ACTOR)
    present = await pauses.paused()
    if begun:
        say(f"Dispatch is paused ({reason or NO_REASON}). `make resume` lets it go on.")
    elif present is not None:
        since = present.paused_at.isoformat(sep=" ", timespec="seconds")
        say(f"Dispatch is paused already, since {since} by {present.actor} ({present.reason}).")


async def resume(pauses: Pauses, say: Callable[[str], None]) -> None:
    """Let dispatch go on."""
    ended = await pauses.resume(ACTOR)
    if ended is None:
        say("Dispatch is not paused.")
        return
    since = ended.paused_at.isoformat(sep=" ", timespec="seconds")
    say(f"Dispatch goes on. It was paused since {since} by {ended.actor} ({ended.reason}).")


def describe(census: Census, *, paused: bool) -> str:
    """Return a sentence about what runs and what waits."""
    sent = f"{census.dispatched:,} with RabbitMQ" + (" (they will run)" if paused else "")
    held = f", {census.held:,} held until they may start" if census.held else ""
    return f"Tasks: {census.processing:,} running, {sent}, {census.waiting:,} waiting{held}."
