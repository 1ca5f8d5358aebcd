"""Clients: they submit at a steady rate, retry, look at their tasks, and remember what they saw."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx2

from tests.faults.chaos.circuits import Job, Mixture
from tests.faults.chaos.notes import Note, Notes, Told
from tests.support.client import ACCEPTED, TERMINAL
from tests.support.dispatcher import LONG

TIMEOUT_SECONDS = 6.0
GIVES_UP = 0.08
"""Part of the clients that never retry, for refusals and unknown outcomes to judge."""
LOOKS = 0.1
"""Part of the clients that wait for their result."""
CANCELS = {False: 0.04, True: 0.4}
"""Part of the clients that cancel their task, by whether it is a long one."""
REFUSALS = frozenset({429, 503})
CANCEL_ANSWERS = {200: True, 409: False}
MOST_AT_A_TIME = 400


class Load:
    """All clients.

    Args:
        urls: base URLs of the API processes; a retry may go to another one.
        rate: submissions each second.
        seed: decides who submits what, to whom, and who gives up.

    Attributes:
        notes: what the clients were told.
        answers: how often each status code came; 0 for no answer.
    """

    def __init__(self, urls: Sequence[str], rate: float, seed: int) -> None:
        self._urls = list(urls)
        self._rate = rate
        self._chance = random.Random(f"load {seed}")
        self._jobs = Mixture(random.Random(f"jobs {seed}"))
        self._prefix = f"chaos-{seed}"
        self._numbers = itertools.count(1)
        self._clients: set[asyncio.Task[None]] = set()
        self._submitting: asyncio.Task[None] | None = None
        self.notes = Notes()
        self.answers: Counter[int] = Counter()

    async def __aenter__(self) -> "Load":
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=20)
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(0.0)
        await self._http.aclose()

    def start(self) -> None:
        """Begin to submit."""
        self._submitting = asyncio.create_task(self._submit_steadily())

    async def stop(self, within: float) -> int:
        """Submit no more and let the clients settle; returns how many could not in time."""
        if self._submitting is not None:
            self._submitting.cancel()
            await asyncio.gather(self._submitting, return_exceptions=True)
        if self._clients:
            await asyncio.wait(self._clients, timeout=within)
        left = [client for client in self._clients if not client.done()]
        for client in left:
            client.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        return len(left)

    async def submit(self, job: Job, urls: Sequence[str] = ()) -> UUID:
        """Submit one job more, retrying until it is accepted; returns its task id."""
        note = self._note(job)
        await self._insist(note, urls or self._urls)
        return note.task_id

    async def settle(self, notes: Sequence[Note]) -> None:
        """Send these again, with their keys, until each is accepted."""
        await asyncio.gather(*(self._insist(note, self._urls) for note in notes))

    async def _submit_steadily(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + 1 / self._rate, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due - loop.time()))
            if len(self._clients) < MOST_AT_A_TIME:
                client = asyncio.create_task(self._client(self._note(self._jobs.draw())))
                self._clients.add(client)
                client.add_done_callback(self._clients.discard)

    async def _client(self, note: Note) -> None:
        manner = self._chance.random()
        if manner < GIVES_UP:
            await self._try(note, self._chance.choice(self._urls))
            return
        await self._insist(note, self._urls)
        if self._chance.random() < CANCELS[note.job.circuit == LONG]:
            await asyncio.sleep(self._chance.uniform(0.0, 0.3))
            await self._cancel(note)
        if manner > 1 - LOOKS:
            await self._look(note)

    async def _insist(self, note: Note, urls: Sequence[str]) -> None:
        pause = 0.1
        while not await self._try(note, self._chance.choice(urls)):
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.5))
            pause = min(2 * pause, 1.0)

    async def _try(self, note: Note, url: str) -> bool:
        """Send a submission once; tells whether nothing is left to be done about it."""
        try:
            answer = await self._http.post(
                f"{url}/tasks", json=note.job.body, headers={"Idempotency-Key": note.key}
            )
        except httpx2.TransportError:
            self.answers[0] += 1
            note.told.append(Told.NO_ANSWER)
            return False
        self.answers[answer.status_code] += 1
        note.told.append(_meaning(answer))
        if answer.status_code == ACCEPTED:
            note.ids.add(str(answer.json()["task_id"]))
            return True
        if answer.status_code not in REFUSALS or "retry-after" not in answer.headers:
            note.wrong.append(f"{answer.status_code} {answer.text[:300]}")
        return False

    async def _cancel(self, note: Note) -> None:
        """Ask for it until the answer says whether the task is cancelled or had ended before."""
        note.cancels = True
        while note.cancelled is None:
            with contextlib.suppress(httpx2.TransportError):
                answer = await self._http.post(
                    f"{self._chance.choice(self._urls)}/tasks/{note.task_id}/cancel",
                    headers={"Idempotency-Key": f"cancel {note.key}"},
                )
                if answer.status_code in CANCEL_ANSWERS:
                    note.cancelled = CANCEL_ANSWERS[answer.status_code]
                elif answer.status_code not in REFUSALS:
                    note.wrong.append(f"cancel {answer.status_code} {answer.text[:300]}")
            await asyncio.sleep(0.2)

    async def _look(self, note: Note) -> None:
        """Read the status until it is a final one, and remember it."""
        while note.seen is None:
            await asyncio.sleep(0.3)
            task = await self._read(note.task_id, note)
            if task is not None and task["status"] in TERMINAL:
                note.seen = (task["status"], dict(task.get("result", {})))

    async def _read(self, task_id: UUID, note: Note) -> dict[str, Any] | None:
        with contextlib.suppress(httpx2.TransportError):
            answer = await self._http.get(f"{self._chance.choice(self._urls)}/tasks/{task_id}")
            if answer.status_code == 200:
                return dict(answer.json())
            if answer.status_code not in REFUSALS:
                note.wrong.append(f"GET {answer.status_code} {answer.text[:300]}")
        return None

    def _note(self, job: Job) -> Note:
        note = Note(f"{self._prefix}-{next(self._numbers)}", job)
        self.notes.all.append(note)
        return note


def _meaning(answer: httpx2.Response) -> Told:
    if answer.status_code == ACCEPTED:
        return Told.ACCEPTED
    if answer.status_code not in REFUSALS or answer.json().get("outcome") == "unknown":
        return Told.UNKNOWN
    return Told.REFUSED
