"""A client of the HTTP API as tests need it: it submits, retries, remembers and waits."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2

ACCEPTED = 202
TERMINAL = frozenset({"completed", "failed", "cancelled"})


@dataclass
class Client:
    """One HTTP connection pool to one API.

    Attributes:
        key: API key that is shown with every request, if there is one.
        answers: how often each status code was seen by `submit`.
    """

    url: str
    connections: int = 32
    key: str = ""
    answers: dict[int, int] = field(default_factory=dict)

    async def __aenter__(self) -> "Client":
        self._http = httpx2.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"} if self.key else {},
            timeout=10.0,
            limits=httpx2.Limits(max_connections=self.connections),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def post(self, body: object, **headers: str) -> httpx2.Response:
        """Send one submission as it is."""
        answer = await self._http.post("/tasks", json=body, headers=headers)
        self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1
        return answer

    async def submit(self, body: object) -> str:
        """Submit until it is accepted, with an idempotency key; returns the task id."""
        key = str(uuid4())
        while True:
            try:
                answer = await self.post(body, **{"Idempotency-Key": key})
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
                continue
            if answer.status_code == ACCEPTED:
                return str(answer.json()["task_id"])
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.1)

    async def submit_all(self, bodies: Iterable[object]) -> list[str]:
        """Submit everything over all connections at once; returns the ids in order."""
        gate = asyncio.Semaphore(self.connections)

        async def one(body: object) -> str:
            async with gate:
                return await self.submit(body)

        return list(await asyncio.gather(*(one(body) for body in bodies)))

    async def cancel(self, task_id: str, reason: str, **headers: str) -> httpx2.Response:
        """Ask for a task to be cancelled."""
        return await self._http.post(
            f"/tasks/{task_id}/cancel", json={"reason": reason}, headers=headers
        )

    async def erase(self, task_id: str, **headers: str) -> httpx2.Response:
        """Ask for a task's contents to be erased."""
        return await self._http.delete(f"/tasks/{task_id}/contents", headers=headers)

    async def post_to(self, path: str, body: object) -> httpx2.Response:
        """Send something to any path."""
        return await self._http.post(path, json=body)

    async def get(self, path: str) -> httpx2.Response:
        """Read any path."""
        return await self._http.get(path)

    async def task(self, task_id: str) -> dict[str, Any]:
        """A task's status answer."""
        answer = await self.get(f"/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def ended(self, task_id: str, within: float = 30.0) -> dict[str, Any]:
        """A task's status answer once it has ended."""
        async with asyncio.timeout(within):
            while True:
                task = await self.task(task_id)
                if task["status"] in TERMINAL:
                    return task
                await asyncio.sleep(0.02)

    async def all_ended(self, ids: Sequence[str], within: float = 60.0) -> list[dict[str, Any]]:
        """The status answers of many tasks once all have ended."""
        async with asyncio.timeout(within):
            return [await self.ended(task_id, within) for task_id in ids]
