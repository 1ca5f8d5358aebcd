"""What every answer tells browsers, and what no answer tells anybody."""

from typing import Any
from uuid import UUID

import pytest

from domain.ports import TaskView
from service.api.problems import Problem, plain_answer
from tests.support.api import InProcessApi, in_process_api, problem

UNKNOWN_TASK = "550e8400-e29b-41d4-a716-446655440000"
PAGE = {"Origin": "https://lab.example"}
PREFLIGHT = PAGE | {"Access-Control-Request-Method": "POST"}
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


class BrokenQueries:
    """A bug that quotes what nobody may see."""

    async def view(self, _task_id: UUID, _tenant: str | None = None) -> TaskView | None:
        raise KeyError("SELECT secret FROM somewhere")


async def answers_of_all_kinds(api: InProcessApi) -> dict[str, Any]:
    return {
        "accepted": await api.submit({"circuit": "x"}),
        "refused": await api.submit({"circuit": 7}),
        "not found": await api.http.get(f"/tasks/{UNKNOWN_TASK}"),
        "no path": await api.http.get("/nowhere"),
        "no method": await api.http.put("/tasks"),
        "options": await api.http.options("/tasks"),
        "preflight": await api.http.options("/tasks", headers=PREFLIGHT),
        "bad header": await api.http.get("/events", headers={b"x-correlation-id": b"\xe9"}),
        "health": await api.http.get("/health"),
        "metrics": await api.http.get("/metrics"),
        "document": await api.http.get("/openapi.json"),
        "lines": await api.http.get("/events", headers={"Accept": "application/x-ndjson"}),
    }


async def test_every_answer_is_taken_for_what_it_says_and_tells_no_link_where_it_came_from() -> (
    None
):
    async with in_process_api() as api:
        answers = await answers_of_all_kinds(api)
    for name, answer in answers.items():
        headers = answer.headers
        assert headers.get_list("x-content-type-options") == ["nosniff"], name
        assert headers.get_list("referrer-policy") == ["no-referrer"], name
        assert headers.get_list("content-security-policy") == [DATA_POLICY], name
        assert "strict-transport-security" not in headers, name
        assert "server" not in headers, name


async def test_the_documentation_has_one_policy_of_its_own() -> None:
    async with in_process_api() as api:
        for path in ("/docs", "/docs/swagger-ui.js"):
            (policy,) = (await api.http.get(path)).headers.get_list("content-security-policy")
            assert "script-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy


async def test_tls_alone_is_asked_for_where_the_setting_says_so() -> None:
    async with in_process_api(hsts_seconds=31_536_000) as api:
        for answer in (await answers_of_all_kinds(api)).values():
            assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_what_is_told_of_tasks_is_kept_nowhere() -> None:
    async with in_process_api() as api:
        task = await api.accepted({"circuit": "x"})
        for path in ("", "/events", "/proof", "?version=1", "?version=7"):
            answer = await api.http.get(f"/tasks/{task['task_id']}{path}")
            assert answer.headers["cache-control"] == "no-store", path
        for path in (f"/tasks/{UNKNOWN_TASK}", "/events"):
            assert (await api.http.get(path)).headers["cache-control"] == "no-store"


async def test_a_bug_tells_its_correlation_id_and_nothing_of_itself() -> None:
    async with in_process_api(queries=BrokenQueries()) as api:
        answer = await api.http.get(f"/tasks/{UNKNOWN_TASK}")
    document = problem(answer, 500)
    assert document["type"].endswith(":internal-error")
    for inner in ("SELECT", "KeyError", "Traceback", ".py", "view"):
        assert inner not in answer.text


@pytest.mark.parametrize("header", ["authorization", "idempotency-key", "traceparent"])
async def test_pages_may_send_the_headers_that_the_api_reads(header: str) -> None:
    async with in_process_api(cors_origins="https://lab.example") as api:
        asked = PREFLIGHT | {"Access-Control-Request-Headers": header}
        answer = await api.http.options("/tasks", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://lab.example"
        assert "access-control-allow-credentials" not in answer.headers
        elsewhere = await api.http.options(
            "/tasks", headers=asked | {"Origin": "https://evil.example"}
        )
        assert elsewhere.status_code == 400
        assert "access-control-allow-origin" not in elsewhere.headers


def test_what_never_becomes_a_request_is_answered_as_safely() -> None:
    answer = plain_answer(Problem(400, "malformed-request", "Malformed", "It is."), ())
    assert b"\r\nx-content-type-options: nosniff\r\n" in answer
    assert b"\r\ncache-control: no-store\r\n" in answer
