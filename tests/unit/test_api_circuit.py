"""`GET /tasks/{task_id}/circuit`: what was submitted, as text and drawn."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4
from xml.etree import ElementTree

import httpx2
import pytest

from domain.errors import InspectorAway
from domain.execution import RunFailed, RunOptions, RunRequest
from domain.inspection import CircuitDrawing, Inspection
from service.api.svg import svg_of
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem

CIRCUIT = 'OPENQASM 3; // <script>alert("é")</script>'
DRAWN = "     ┌───┐\nq_0: ┤ H ├\n     └───┘\n"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        made.inspector.answer = CircuitDrawing(DRAWN)
        yield made


async def submitted(api: InProcessApi, **more: object) -> str:
    return str((await api.accepted({"circuit": CIRCUIT, **more}))["task_id"])


async def get(api: InProcessApi, task_id: str, query: str = "", **headers: str) -> httpx2.Response:
    return await api.http.get(f"/tasks/{task_id}/circuit{query}", headers=headers)


def shown(answer: httpx2.Response, media_type: str) -> str:
    """The body of an answer that no browser may take for a page."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert answer.headers["cache-control"] == "private, no-cache"
    return answer.text


async def test_the_text_comes_back_as_it_was_sent(api: InProcessApi) -> None:
    task_id = await submitted(api)
    for query in ("", "?as=qasm"):
        assert shown(await get(api, task_id, query), "text/plain; charset=utf-8") == CIRCUIT
    assert api.inspector.asked == []


async def test_a_drawing_is_made_of_what_would_be_run(api: InProcessApi) -> None:
    task_id = await submitted(api, parameters={"theta": 0.5}, measure_all=True, shots=3)
    assert shown(await get(api, task_id, "?as=drawing"), "text/plain; charset=utf-8") == DRAWN
    request = RunRequest(CIRCUIT, RunOptions(3, measure_all=True), {"theta": 0.5})
    assert api.inspector.asked == [Inspection("drawing", request)]


async def test_a_picture_has_the_lines_of_the_drawing(api: InProcessApi) -> None:
    task_id = await submitted(api)
    picture = ElementTree.fromstring(shown(await get(api, task_id, "?as=svg"), "image/svg+xml"))
    assert picture.tag == f"{SVG}svg"
    assert [line.text for line in picture.iter(f"{SVG}text")] == DRAWN.rstrip("\n").split("\n")
    assert picture.findtext(f"{SVG}title") == f"Circuit of task {task_id}"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; charset=utf-8"),
        ("*/*", "text/plain; charset=utf-8"),
        ("text/html,application/xml;q=0.9,*/*;q=0.8", "text/plain; charset=utf-8"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/avif,image/svg+xml,image/*,*/*;q=0.8", "image/svg+xml"),
        ("image/svg+xml;q=0.2, text/plain;q=0.7", "text/plain; charset=utf-8"),
        ("image/svg+xml;q=0", "text/plain; charset=utf-8"),
        ("image/svg+xml;q=high", "text/plain; charset=utf-8"),
    ],
)
async def test_clients_that_prefer_a_picture_get_one(
    api: InProcessApi, accept: str, media_type: str
) -> None:
    answer = await get(api, await submitted(api), accept=accept)
    shown(answer, media_type)
    assert "Accept" in answer.headers["vary"]


async def test_what_is_asked_for_in_the_path_wins(api: InProcessApi) -> None:
    answer = await get(api, await submitted(api), "?as=qasm", accept="image/svg+xml")
    assert shown(answer, "text/plain; charset=utf-8") == CIRCUIT


async def test_what_a_client_has_already_is_not_sent_or_drawn_again(api: InProcessApi) -> None:
    task_id = await submitted(api)
    tags = []
    for query in ("?as=qasm", "?as=drawing", "?as=svg"):
        first = await get(api, task_id, query)
        drawn = len(api.inspector.asked)
        again = await get(api, task_id, query, **{"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert len(api.inspector.asked) == drawn
        tags.append(first.headers["etag"])
    assert len(set(tags)) == 3
    assert (await get(api, task_id, **{"if-none-match": tags[1]})).status_code == 200


async def test_a_circuit_that_cannot_be_drawn_is_a_422_with_the_reason(api: InProcessApi) -> None:
    api.inspector.answer = RunFailed("parse_error", "expected ';'", 1, 5)
    answer = await get(api, await submitted(api), "?as=svg")
    assert bad_fields(answer) == ["circuit"]
    assert answer.json()["error_code"] == "parse_error"
    assert "line 1, column 5: expected ';'" in answer.json()["detail"]


async def test_without_a_worker_the_text_is_there_all_the_same(api: InProcessApi) -> None:
    api.inspector.answer = InspectorAway("no worker is there")
    task_id = await submitted(api)
    answer = await get(api, task_id, "?as=drawing")
    problem(answer, 503)
    assert answer.headers["retry-after"]
    assert (await get(api, task_id)).text == CIRCUIT


async def test_an_erased_circuit_is_gone(api: InProcessApi) -> None:
    task_id = await submitted(api, parameters={"theta": 1})
    tag = (await get(api, task_id)).headers["etag"]
    kinds = api.store.payload_rows[UUID(task_id)]
    for kind in list(kinds):
        kept = kinds.pop(kind)
        answer = await get(api, task_id, "?as=svg", **{"if-none-match": tag})
        assert problem(answer, 410)["type"] == "urn:ketlog:problem:circuit-erased"
        kinds[kind] = kept
    assert (await get(api, task_id)).status_code == 200


async def test_bad_questions_are_named(api: InProcessApi) -> None:
    task_id = await submitted(api)
    assert bad_fields(await get(api, task_id, "?as=latex")) == ["as"]
    assert bad_fields(await get(api, task_id, "?as=svg&as=qasm")) == ["as"]
    assert bad_fields(await get(api, task_id, "?colour=1")) == ["colour"]
    assert bad_fields(await get(api, "none")) == ["task_id"]
    problem(await get(api, str(uuid4())), 404)


def test_a_picture_holds_no_markup_of_the_text_and_nothing_that_xml_forbids() -> None:
    hostile = '<script>&"]]>\x00\x1b\ud800\ufffe\u4e2d</svg>'
    picture = svg_of(hostile, "</title><script>")
    root = ElementTree.fromstring(picture)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg",
        "title",
        "rect",
        "g",
        "text",
    }
    assert root.findtext(f"{SVG}title") == "</title><script>"
    (line,) = root.iter(f"{SVG}text")
    assert line.text == '<script>&"]]>����\u4e2d</svg>'
