"""Lists dead letters, puts one right by hand, or discards one that nobody can use."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.errors import KetlogError, TransitionRefused
from domain.log import Appended
from domain.ports import EventLog
from domain.task import Task, fold
from infrastructure.dead_letters import (
    DeadLetterBox,
    Judgement,
    Letters,
    another_message,
    in_hand,
    judge,
)
from infrastructure.rabbitmq.message import TaskMessage

ACTOR = "operator"
MOST_LETTERS = 10_000
TABLE_CHARACTERS = 180
NO_LETTER = "`make dead-letters` lists the letters that there are"
Say: TypeAlias = Callable[[str], None]


class Refused(KetlogError):
    """What the operator asked for cannot be done; says what can."""


async def list_letters(box: DeadLetterBox, event_log: EventLog) -> list[Judgement]:
    """Return all letters, oldest first; all of them stay."""
    async with box.sweep() as letters:
        return [await judge(letter, event_log) async for letter in in_hand(letters, MOST_LETTERS)]


async def requeue(box: DeadLetterBox, event_log: EventLog, wanted: str, say: Say) -> None:
    """Have another message sent for a pending task, and remove its letters.

    Args:
        wanted: id of a message or of a task.

    Raises:
        Refused: there is no such pending task.
    """
    async with box.sweep() as letters:
        found = await _matching(letters, event_log, wanted)
        for judgement in found:
            if judgement.task is None:
                raise Refused(
                    f"Letter {judgement.letter.name} cannot be put right: "
                    f"{judgement.kept_because}. `make discard ID={judgement.letter.name}` "
                    "removes it."
                )
        task = found[0].task if found else await _task(event_log, wanted)
        if task is None:
            raise Refused(f"No dead letter and no task has the id {wanted}: {NO_LETTER}.")
        say(await _another_message(event_log, task, has_letter=bool(found)))
        for judgement in found:
            await letters.settle(judgement.letter)
            say(f"Letter {judgement.letter.name} is removed.")


async def discard(box: DeadLetterBox, event_log: EventLog, wanted: str, say: Say) -> None:
    """Remove letters for good.

    Args:
        wanted: id of a message or of a task.

    Raises:
        Refused: there is no such letter, or its task waits for it.
    """
    async with box.sweep() as letters:
        found = await _matching(letters, event_log, wanted)
        if not found:
            raise Refused(f"No dead letter has the id {wanted}: {NO_LETTER}.")
        for judgement in found:
            if judgement.owes_message:
                raise Refused(
                    f"The task of letter {judgement.letter.name} waits for it: "
                    f"`make requeue ID={judgement.letter.name}` has another message sent."
                )
        for judgement in found:
            await letters.settle(judgement.letter)
            row = as_json(judgement)
            said = ", ".join(f"{key} {value}" for key, value in row.items() if value is not None)
            say(f"Discarded: {said}.")


def as_json(judgement: Judgement) -> dict[str, Any]:
    """Return what is known of a letter."""
    letter, task = judgement.letter, judgement.task
    named = letter.message.task_id if isinstance(letter.message, TaskMessage) else None
    return {
        "message_id": letter.name,
        "task_id": None if named is None else str(named),
        "task_status": None if task is None else str(task.status),
        "died_of": letter.reason,
        "died_at": None if letter.died_at is None else letter.died_at.isoformat(),
        "octets": letter.octets,
        "what_next": _what_next(judgement),
    }


def show_table(console: Console, judgements: Sequence[Judgement]) -> None:
    """Print the letters for people; ids stay in one piece, to be copied."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("message", "task", "status", "died of", "died at (UTC)", "what next"):
        table.add_column(title, overflow="fold")
    for judgement in judgements:
        row = as_json(judgement)
        died_at = judgement.letter.died_at
        cells = (
            row["message_id"],
            row["task_id"] or "",
            row["task_status"] or "",
            row["died_of"],
            "" if died_at is None else died_at.strftime("%Y-%m-%d %H:%M:%S"),
            row["what_next"],
        )
        table.add_row(*map(escape, cells))
    console.width = max(console.width, TABLE_CHARACTERS)
    console.print(table)


def _what_next(judgement: Judgement) -> str:
    if judgement.task is None:
        return f"kept: {judgement.kept_because}"
    if judgement.owes_message:
        return "the relay has another message sent for its task"
    return "the relay removes it: nothing is owed to its task"


async def _matching(letters: Letters, event_log: EventLog, wanted: str) -> list[Judgement]:
    """Return the letters with this id, or about the task with this id."""
    found = []
    async for letter in in_hand(letters, MOST_LETTERS):
        named = letter.message.task_id if isinstance(letter.message, TaskMessage) else None
        if wanted in {letter.name, str(named)}:
            found.append(await judge(letter, event_log))
    return found


async def _task(event_log: EventLog, wanted: str) -> Task | None:
    try:
        task_id = UUID(wanted)
    except ValueError:
        return None
    history = (await event_log.histories([task_id])).get(task_id)
    return None if history is None else fold(history.events)


async def _another_message(event_log: EventLog, task: Task, *, has_letter: bool) -> str:
    try:
        append = another_message(task, "asked for by the operator", ACTOR)
    except TransitionRefused:
        if not has_letter:
            raise Refused(
                f"Task {task.task_id} is {task.status}: only pending tasks wait for a message."
            ) from None
        return f"Task {task.task_id} is {task.status}: nothing is owed to it."
    (result,) = await event_log.append([append])
    if not isinstance(result, Appended):
        raise Refused(f"Task {task.task_id} has moved on in this moment: look at it again.")
    return f"Task {task.task_id} has another message sent (event {append.event_id} in its log)."
