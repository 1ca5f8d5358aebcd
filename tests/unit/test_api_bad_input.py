"""What a client gets when a submission is wrong: a problem document that names the field."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.events import TaskSubmitted
from domain.payloads import PayloadKind
from service.api.body import DISCARD_BYTES, BodyLimits
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem

CIRCUIT = "OPENQASM 3; qubit q; h q; measure q;"
LARGEST_NUMBER = 17976931348623157 * 10**292
"""The largest that the document names, to the last digit."""
MEBIBYTE = 1024 * 1024


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made
        assert made.committed == [], "a refused submission was stored"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["circuit"]),
        ({"circuit": ""}, ["circuit"]),
        ({"circuit": None}, ["circuit"]),
        ({"circuit": 5}, ["circuit"]),
        ({"circuit": ["h q;"]}, ["circuit"]),
        ({"circuit": CIRCUIT, "shots": 0}, ["shots"]),
        ({"circuit": CIRCUIT, "shots": -1}, ["shots"]),
        ({"circuit": CIRCUIT, "shots": 100_001}, ["shots"]),
        ({"circuit": CIRCUIT, "shots": "1024"}, ["shots"]),
        ({"circuit": CIRCUIT, "shots": 10.5}, ["shots"]),
        ({"circuit": CIRCUIT, "shots": True}, ["shots"]),
        ({"circuit": CIRCUIT, "shots": None}, ["shots"]),
        ({"circuit": CIRCUIT, "shots": 10**30}, ["shots"]),
        ({"circuit": CIRCUIT, "seed": -1}, ["seed"]),
        ({"circuit": CIRCUIT, "seed": 2**63}, ["seed"]),
        ({"circuit": CIRCUIT, "seed": "7"}, ["seed"]),
        ({"circuit": CIRCUIT, "method": "magic"}, ["method"]),
        ({"circuit": CIRCUIT, "method": 1}, ["method"]),
        ({"circuit": CIRCUIT, "memory": 1}, ["memory"]),
        ({"circuit": CIRCUIT, "memory": "true"}, ["memory"]),
        ({"circuit": CIRCUIT, "timeout_seconds": 0}, ["timeout_seconds"]),
        ({"circuit": CIRCUIT, "timeout_seconds": "60"}, ["timeout_seconds"]),
        ({"circuit": CIRCUIT, "measure_all": "yes"}, ["measure_all"]),
        ({"circuit": CIRCUIT, "parameters": [1]}, ["parameters"]),
        ({"circuit": CIRCUIT, "parameters": {"theta": "pi"}}, ["parameters.theta"]),
        ({"circuit": CIRCUIT, "parameters": {"a": [1, [None]]}}, ["parameters.a"]),
        ({"circuit": CIRCUIT, "parameters": {"a": 10**400}}, ["parameters.a"]),
        ({"circuit": CIRCUIT, "parameters": {"a": -LARGEST_NUMBER - 1}}, ["parameters.a"]),
        ({"circuit": CIRCUIT, "parameters": {"a": {"b": 1}}}, ["parameters.a"]),
        ({"circuit": CIRCUIT, "shot": 10}, ["shot"]),
        ({"shots": 0, "seed": -1, "colour": "red"}, ["circuit", "shots", "seed", "colour"]),
    ],
)
async def test_each_bad_field_is_named(api: InProcessApi, body: object, fields: list[str]) -> None:
    assert bad_fields(await api.submit(body)) == fields


async def test_numbers_are_what_they_are_in_json(api: InProcessApi) -> None:
    values = {"a": 2**64, "b": [2], "c": LARGEST_NUMBER}
    body = {"circuit": CIRCUIT, "shots": 10.0, "seed": 7.0, "parameters": values}
    assert (await api.submit(body)).status_code == 202
    ((stored,),) = api.committed
    assert isinstance(stored.event, TaskSubmitted)
    assert (stored.event.options.shots, stored.event.options.seed) == (10, 7)
    parameters = next(each for each in stored.payloads if each.kind is PayloadKind.PARAMETERS)
    assert parameters.body == b'{"a":1.8446744073709552e+19,"b":[2],"c":1.7976931348623157e+308}'
    api.committed.clear()


async def test_the_message_of_an_unknown_field_lists_the_known_ones(api: InProcessApi) -> None:
    document = problem(await api.submit({"circuit": CIRCUIT, "shot": 10}), 422)
    assert "shots" in document["errors"][0]["message"]


@pytest.mark.parametrize("body", [b"[]", b'"circuit"', b"null", b"7"])
async def test_json_that_is_no_object_is_refused(api: InProcessApi, body: bytes) -> None:
    assert bad_fields(await api.submit_bytes(body)) == ["body"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"circuit": "x"',
        b"circuit=x",
        b'{"circuit": x}',
        b'{"circuit": "\xff\xfe"}',
        b'{"circuit": "x",}',
        b'{"circuit": "\\ud800"}',
        b'{"circuit": "\\udc00 and more"}',
        b"[" * 100_000,
    ],
)
async def test_malformed_json_is_refused_and_the_place_is_named(
    api: InProcessApi, body: bytes
) -> None:
    document = problem(await api.submit_bytes(body), 400)
    assert "line 1 column" in document["detail"]


async def test_an_empty_body_is_refused_with_an_example(api: InProcessApi) -> None:
    assert '"circuit"' in problem(await api.submit_bytes(b""), 400)["detail"]


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
@pytest.mark.parametrize("field", ["timeout_seconds", "parameters"])
async def test_numbers_that_are_not_finite_are_refused(
    api: InProcessApi, number: bytes, field: str
) -> None:
    value = number if field == "timeout_seconds" else b'{"theta": [' + number + b"]}"
    body = b'{"circuit": "x", "' + field.encode() + b'": ' + value + b"}"
    answer = await api.submit_bytes(body)
    assert answer.status_code in (400, 422)
    assert problem(answer, answer.status_code)["errors"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "text/plain"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=latin-1"},
    ],
)
async def test_another_media_type_is_refused(api: InProcessApi, headers: dict[str, str]) -> None:
    answer = await api.http.post("/tasks", content=b"{}", headers=headers)
    assert bad_fields(answer, 415) == ["Content-Type"]


async def test_a_compressed_body_is_refused(api: InProcessApi) -> None:
    answer = await api.submit_bytes(b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    assert bad_fields(answer, 415) == ["Content-Encoding"]


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"circuit": "x" * (MEBIBYTE + 65 * 1024)}).encode(),
        b'{"circuit": "x", "comment": "' + b"y" * (MEBIBYTE + 65 * 1024) + b'"}',
        b"x" * (2 * MEBIBYTE),
        b" " * (7 * MEBIBYTE),
    ],
)
async def test_a_body_over_the_limit_is_too_large(api: InProcessApi, body: bytes) -> None:
    assert bad_fields(await api.submit_bytes(body), 413) == ["circuit"]


async def test_a_body_that_is_far_too_large_is_refused_before_it_is_read(
    api: InProcessApi,
) -> None:
    read = False

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read = True
        yield b"{}"

    answer = await api.http.post(
        "/tasks",
        content=body(),
        headers={"Content-Type": "application/json", "Content-Length": str(DISCARD_BYTES + 1)},
    )
    problem(answer, 413)
    assert answer.headers["connection"] == "close"
    assert not read


async def test_a_chunked_body_without_an_end_is_cut_off(api: InProcessApi) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += MEBIBYTE
            assert sent < 2 * DISCARD_BYTES, "nobody stops reading"
            yield b"x" * MEBIBYTE

    answer = await api.http.post(
        "/tasks",
        content=endless(),
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
    )
    problem(answer, 413)
    assert answer.headers["connection"] == "close"


async def test_a_chunked_body_over_the_limit_is_too_large(api: InProcessApi) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * MEBIBYTE

    answer = await api.http.post(
        "/tasks",
        content=parts(),
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
    )
    problem(answer, 413)
    assert "connection" not in answer.headers


@pytest.mark.parametrize("character", ["x", "é", "量"])
async def test_a_circuit_over_the_limit_is_named_even_if_the_body_is_within_it(
    api: InProcessApi, character: str
) -> None:
    circuit = character * (MEBIBYTE // len(character.encode()) + 1)
    body = json.dumps({"circuit": circuit}, ensure_ascii=False).encode()
    assert bad_fields(await api.submit_bytes(body)) == ["circuit"]


async def test_parameters_have_a_limit_of_their_own(api: InProcessApi) -> None:
    values = {f"p{number}": [0.123456789] * 100 for number in range(100)}
    assert bad_fields(await api.submit({"circuit": "x", "parameters": values})) == ["parameters"]


@pytest.mark.parametrize("name", ["X-Correlation-ID", "Idempotency-Key"])
@pytest.mark.parametrize("value", ["", "é", "tab\there", "x" * 256])
async def test_a_header_that_cannot_serve_is_named(
    api: InProcessApi, name: str, value: str
) -> None:
    answer = await api.http.post(
        "/tasks", json={"circuit": "x"}, headers=[(name.encode(), value.encode("latin-1"))]
    )
    assert bad_fields(answer, 400) == [name]


@pytest.mark.parametrize(
    "task_id",
    [
        "not-a-uuid",
        "123",
        "550e8400e29b41d4a716446655440000",
        "{550e8400-e29b-41d4-a716-446655440000}",
        "550e8400-e29b-41d4-a716-44665544000g",
        "%00",
        "'; DROP TABLE tasks; --",
    ],
)
async def test_a_bad_task_id_is_named(api: InProcessApi, task_id: str) -> None:
    assert bad_fields(await api.http.get(f"/tasks/{task_id}")) == ["task_id"]


async def test_an_unknown_task_is_not_found(api: InProcessApi) -> None:
    answer = await api.http.get("/tasks/550e8400-e29b-41d4-a716-446655440000")
    assert bad_fields(answer, 404) == ["task_id"]


@pytest.mark.parametrize("path", ["/task", "/tasks/", "/tasks/a/b", "/tasks//", "/%2e%2e/etc"])
async def test_an_unknown_path_is_not_found(api: InProcessApi, path: str) -> None:
    problem(await api.http.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/tasks", "GET, HEAD, OPTIONS, POST"),
        ("GET", "/tasks/550e8400-e29b-41d4-a716-446655440000/cancel", "OPTIONS, POST"),
        ("PUT", "/tasks/550e8400-e29b-41d4-a716-446655440000", "GET, HEAD, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("PUT", "/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    api: InProcessApi, method: str, path: str, allow: str
) -> None:
    answer = await api.http.request(method, path)
    problem(answer, 405)
    assert answer.headers["allow"] == allow


async def test_options_lists_the_methods(api: InProcessApi) -> None:
    answer = await api.http.options("/tasks")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_many_bad_fields_give_an_answer_of_limited_size(api: InProcessApi) -> None:
    body: dict[str, Any] = {f"field-{number}": 1 for number in range(5_000)}
    body |= {"x" * 100_000: 1}
    answer = await api.submit(body)
    problem(answer, 422)
    assert len(answer.content) < 16_384


async def test_limits_follow_the_settings() -> None:
    async with in_process_api(max_shots=10, max_circuit_bytes=20) as api:
        assert bad_fields(await api.submit({"circuit": "x", "shots": 11})) == ["shots"]
        assert bad_fields(await api.submit({"circuit": "x" * 21})) == ["circuit"]
        task = await api.accepted({"circuit": "x" * 20})
        status = (await api.http.get(f"/tasks/{task['task_id']}")).json()
        assert status["shots"] == 10


def test_the_largest_circuit_fits_into_a_body_however_it_is_escaped() -> None:
    limits = BodyLimits.for_circuits(1000)
    for character in ("\n", '"', "\x00", "é", "量"):
        circuit = character * (1000 // len(character.encode()))
        assert len(json.dumps({"circuit": circuit})) <= limits.hard
