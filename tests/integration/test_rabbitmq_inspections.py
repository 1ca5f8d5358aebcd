"""Questions about circuits over a real broker: asked by an API, answered by a worker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from domain.errors import InspectionRefused, InspectionTooLong, InspectorAway, InspectorBusy
from domain.execution import RunFailed, RunOptions, RunRequest
from domain.inspection import CircuitReport, Inspection, InspectionAnswer
from infrastructure.rabbitmq import inspection_client
from infrastructure.rabbitmq.inspection_client import RemoteInspector
from infrastructure.rabbitmq.inspection_messages import LONGEST_QUEUE, QUEUE
from infrastructure.rabbitmq.inspection_server import InspectionServer
from tests.support.amqp import Operator, operator
from tests.support.tcp_proxy import proxied
from tests.support.waiting import eventually

QUESTION = Inspection(
    "check", RunRequest("OPENQASM 3; // é", RunOptions(shots=9, memory=True), {"theta": 0.5})
)


@dataclass
class Echo:
    """Reports the question, or says what the test wants; waits while it is held."""

    answer: InspectionAnswer | InspectionRefused | None = None
    asked: list[Inspection] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    async def inspect(self, inspection: Inspection) -> InspectionAnswer:
        self.asked.append(inspection)
        await self.free.wait()
        if isinstance(self.answer, InspectionRefused):
            raise self.answer
        return self.answer or CircuitReport({"circuit": inspection.request.circuit})


@contextlib.asynccontextmanager
async def serving(url: str, echo: Echo) -> AsyncIterator[None]:
    """A worker that answers."""
    running = asyncio.create_task(InspectionServer(url, "test worker", echo).run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def asking(
    url: str, seconds: float = 5.0, most_waiting: int = 64
) -> AsyncIterator[RemoteInspector]:
    """An API that asks."""
    inspector = RemoteInspector(url, "test API", seconds=seconds, most_waiting=most_waiting)
    try:
        yield inspector
    finally:
        await inspector.close()


@pytest.fixture
async def looker(rabbitmq_url: str) -> AsyncIterator[Operator]:
    async with operator(rabbitmq_url) as made:
        yield made


@pytest.fixture
async def api(rabbitmq_url: str) -> AsyncIterator[RemoteInspector]:
    async with asking(rabbitmq_url) as made:
        yield made


async def queue_is_there(looker: Operator) -> None:
    async def there() -> bool:
        return await looker.ready(QUEUE) == 0

    await eventually(there)


async def test_a_question_is_answered(
    rabbitmq_url: str, looker: Operator, api: RemoteInspector
) -> None:
    echo = Echo()
    async with serving(rabbitmq_url, echo):
        await queue_is_there(looker)
        assert await api.inspect(QUESTION) == CircuitReport({"circuit": "OPENQASM 3; // é"})
        assert echo.asked == [QUESTION]
        echo.answer = RunFailed("parse_error", "no", 1, 2)
        assert await api.inspect(QUESTION) == echo.answer


async def test_answers_find_their_questions(
    rabbitmq_url: str, looker: Operator, api: RemoteInspector
) -> None:
    questions = [Inspection("check", RunRequest(f"number {n}")) for n in range(24)]
    async with serving(rabbitmq_url, Echo()), serving(rabbitmq_url, Echo()):
        await queue_is_there(looker)
        answers = await asyncio.gather(*map(api.inspect, questions))
    assert answers == [CircuitReport({"circuit": f"number {n}"}) for n in range(24)]


@pytest.mark.parametrize("refusal", [InspectorBusy, InspectionTooLong, InspectorAway])
async def test_a_worker_that_cannot_tell_says_why(
    rabbitmq_url: str, looker: Operator, api: RemoteInspector, refusal: type[InspectionRefused]
) -> None:
    async with serving(rabbitmq_url, Echo(refusal("such is life"))):
        await queue_is_there(looker)
        with pytest.raises(refusal, match="such is life"):
            await api.inspect(QUESTION)


async def test_without_a_worker_the_answer_comes_at_once(
    rabbitmq_url: str, looker: Operator, api: RemoteInspector
) -> None:
    async with asyncio.timeout(2):
        with pytest.raises(InspectorAway, match="no worker is there"):
            await api.inspect(QUESTION)
    async with serving(rabbitmq_url, Echo()):
        await queue_is_there(looker)
        await api.inspect(QUESTION)

    async def gone() -> bool:
        return await looker.ready(QUEUE) == -1

    # The queue goes with the last worker.
    await eventually(gone)
    with pytest.raises(InspectorAway, match="no worker is there"):
        await api.inspect(QUESTION)


async def test_without_a_broker_the_answer_comes_at_once_and_names_no_address() -> None:
    async with asking("amqp://guest:guest@127.0.0.1:9/") as api, asyncio.timeout(2):
        with pytest.raises(InspectorAway) as raised:
            await api.inspect(QUESTION)
    assert str(raised.value) == "RabbitMQ is away"


async def test_a_question_that_nobody_answers_is_given_up(
    rabbitmq_url: str, looker: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection_client, "TAKEN_WITHIN_SECONDS", 0.1)
    monkeypatch.setattr(inspection_client, "WAY_SECONDS", 0.1)
    echo = Echo()
    echo.free.clear()
    async with serving(rabbitmq_url, echo), asking(rabbitmq_url, seconds=0.1) as api:
        await queue_is_there(looker)
        outcomes = await asyncio.gather(
            *(api.inspect(QUESTION) for _ in range(3)), return_exceptions=True
        )
        assert [type(outcome) for outcome in outcomes] == [InspectionTooLong] * 3
        await queue_is_there(looker)
        echo.free.set()
        assert isinstance(await api.inspect(QUESTION), CircuitReport)
        # The two that nobody took in time were never asked.
        assert len(echo.asked) == 2


async def test_too_many_questions_are_refused_at_once(rabbitmq_url: str, looker: Operator) -> None:
    echo = Echo()
    echo.free.clear()
    async with serving(rabbitmq_url, echo), asking(rabbitmq_url) as api:
        await queue_is_there(looker)
        waiting = [asyncio.create_task(api.inspect(QUESTION)) for _ in range(LONGEST_QUEUE + 1)]

        async def full() -> bool:
            return len(echo.asked) == 1 and await looker.ready(QUEUE) == LONGEST_QUEUE

        await eventually(full)
        with pytest.raises(InspectorBusy):
            await api.inspect(QUESTION)
        echo.free.set()
        assert len(await asyncio.gather(*waiting)) == LONGEST_QUEUE + 1


async def test_one_api_has_only_so_many_questions_on_their_way(
    rabbitmq_url: str, looker: Operator
) -> None:
    echo = Echo()
    echo.free.clear()
    async with serving(rabbitmq_url, echo), asking(rabbitmq_url, most_waiting=1) as api:
        await queue_is_there(looker)
        first = asyncio.create_task(api.inspect(QUESTION))
        await eventually(lambda: len(echo.asked) == 1)
        with pytest.raises(InspectorBusy):
            await api.inspect(QUESTION)
        echo.free.set()
        await first


async def test_what_is_no_question_is_dropped(
    rabbitmq_url: str, looker: Operator, api: RemoteInspector
) -> None:
    echo = Echo()
    async with serving(rabbitmq_url, echo):
        await queue_is_there(looker)
        for body in (b"", b"[]", b'{"kind": "run"}', b'{"kind": "check"}', b"\xff" * 100):
            await looker.put(body, QUEUE)
        assert isinstance(await api.inspect(QUESTION), CircuitReport)
    assert echo.asked == [QUESTION]


async def test_a_worker_whose_connection_breaks_answers_over_another(
    rabbitmq_url: str, looker: Operator, api: RemoteInspector
) -> None:
    echo = Echo()
    async with proxied(rabbitmq_url) as proxy, serving(proxy.url(rabbitmq_url), echo):
        await queue_is_there(looker)
        echo.free.clear()
        under_way = asyncio.create_task(api.inspect(QUESTION))
        await eventually(lambda: len(echo.asked) == 1)
        # The question goes with the queue, which was this worker's alone.
        proxy.cut()
        echo.free.set()
        await queue_is_there(looker)

        async def answered() -> bool:
            with contextlib.suppress(InspectorAway):
                return isinstance(await api.inspect(QUESTION), CircuitReport)
            return False

        await eventually(answered)
        under_way.cancel()


async def test_a_connection_that_breaks_is_replaced(rabbitmq_url: str, looker: Operator) -> None:
    echo = Echo()
    async with (
        serving(rabbitmq_url, echo),
        proxied(rabbitmq_url) as proxy,
        asking(proxy.url(rabbitmq_url)) as api,
    ):
        await queue_is_there(looker)
        assert isinstance(await api.inspect(QUESTION), CircuitReport)
        echo.free.clear()
        under_way = asyncio.create_task(api.inspect(QUESTION))
        await eventually(lambda: len(echo.asked) == 2)
        proxy.cut()
        with pytest.raises(InspectorAway, match="connection with RabbitMQ ended"):
            await under_way
        echo.free.set()
        assert isinstance(await api.inspect(QUESTION), CircuitReport)
