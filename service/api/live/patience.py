"""`GET /tasks/{task_id}?wait=`: an answer that waits until the task has ended."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Final
from uuid import UUID

from starlette.types import Receive, Scope

from domain.live import ENDS
from domain.log import LoggedEvent
from domain.ports import TaskQueries, TaskView
from infrastructure.supervision import end
from service.api.caller import caller_of
from service.api.live.live import Live
from service.api.lookup import no_such_task, within
from service.api.problems import ClientGone

MAX_WAIT_SECONDS = 60
_MEASURED_AS: Final = SimpleNamespace(path="/tasks/{task_id}?wait")
"""Where these requests are counted, apart from those that answer at once."""


class Patience:
    """Waits for the end of tasks.

    Args:
        deadline_seconds: longest wait for the projection, once the task has ended or time is over.
    """

    def __init__(self, live: Live, queries: TaskQueries, deadline_seconds: float) -> None:
        self._live = live
        self._queries = queries
        self._deadline = deadline_seconds

    @property
    def over(self) -> bool:
        """Whether the process drains, so that nobody should wait here any more."""
        return self._live.draining

    async def view_at_end(
        self, view: TaskView, seconds: float, scope: Scope, receive: Receive
    ) -> TaskView:
        """Return a task once it has ended, the time is over, or the process begins to drain.

        Args:
            view: the task as it was read; it had not ended.

        Raises:
            Problem: 503, too many wait already.
            StoreUnavailable: it is not known how the task stands.
            ClientGone: the client has hung up.
        """
        scope["route"] = _MEASURED_AS
        seconds = min(seconds, self._live.bounds.wait_seconds)
        caller = caller_of(scope)
        with self._live.reader("wait", caller.tenant):
            await self._wait(view.task_id, view.version, seconds, receive)
            now = await within(self._deadline, self._queries.view(view.task_id, caller.sees))
        if now is None:
            raise no_such_task(view.task_id)
        return now

    async def _wait(self, task_id: UUID, version: int, seconds: float, receive: Receive) -> None:
        over = asyncio.Event()
        gone = False

        def tell(event: LoggedEvent) -> None:
            if event.stored.type in ENDS:
                over.set()

        async def notice_hang_up() -> None:
            nonlocal gone
            while (await receive())["type"] != "http.disconnect":
                pass
            gone = True
            over.set()

        watch = asyncio.create_task(notice_hang_up(), name="waiting request's client")
        waiting = self._live.news.join(task_id, version, tell)
        try:
            with self._live.leaving(over.set), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await over.wait()
        finally:
            self._live.news.leave(waiting)
            await end(watch)
        if gone:
            raise ClientGone
