"""Submitting sweeps, over the in-memory store."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from domain.batches import MAX_BATCH_TASKS
from domain.payloads import PayloadKind
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import load

ROTATION = "OPENQASM 3; input float theta; input int n; qubit q; rx(theta) q; measure q;"


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api(max_shots=5_000) as made:
        yield made


async def test_a_sweep_becomes_a_task_for_each_binding(api: InProcessApi) -> None:
    answer = await api.submit_sweep(
        {
            "circuit": ROTATION,
            "shots": 99,
            "tags": {"sweep": "1"},
            "parameters": {"n": 1, "theta": 0.0},
            "bindings": [{"theta": 0.5}, {"theta": 1, "n": 2}, {}],
        }
    )
    assert answer.status_code == 202, answer.text
    ids = answer.json()["task_ids"]
    parameters = [await api.content(task_id, PayloadKind.PARAMETERS) for task_id in ids]
    assert parameters == [{"n": 1, "theta": 0.5}, {"n": 2, "theta": 1}, {"n": 1, "theta": 0.0}]
    salts = {api.store.payload_rows[UUID(i)][PayloadKind.CIRCUIT].salt for i in ids}
    assert len(salts) == 3
    for task_id in ids:
        assert await api.content(task_id, PayloadKind.CIRCUIT) == ROTATION
        task = await load(api.store, UUID(task_id))
        assert (task.options.shots, task.labels.tags) == (99, {"sweep": "1"})
        assert task.labels.batch_id == UUID(answer.json()["batch_id"])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"circuit": ROTATION}, ["bindings"]),
        ({"circuit": ROTATION, "bindings": []}, ["bindings"]),
        ({"circuit": ROTATION, "bindings": {"theta": 1}}, ["bindings"]),
        ({"bindings": [{}]}, ["circuit"]),
        ({"circuit": "", "shots": 5_001, "bindings": [{}]}, ["circuit", "shots"]),
        (
            {"circuit": "x", "bindings": [{"a": 1}, {"a": "1"}, [], {"a": {}, "b": None}]},
            ["bindings.1.a", "bindings.2", "bindings.3.a", "bindings.3.b"],
        ),
        ({"circuit": "x", "bindings": [{}] * (MAX_BATCH_TASKS + 1)}, ["bindings"]),
        (
            {"circuit": "x", "parameters": {f"p{n}": n for n in range(1_000)}, "bindings": [{}]},
            [],
        ),
    ],
)
async def test_a_bad_sweep_is_refused(api: InProcessApi, body: object, fields: list[str]) -> None:
    answer = await api.submit_sweep(body)
    if fields:
        assert bad_fields(answer) == fields
        assert api.store.streams == {}
    else:
        assert answer.status_code == 202


async def test_parameters_and_a_binding_are_bounded_together(api: InProcessApi) -> None:
    common = {f"p{number}": number for number in range(1_000)}
    answer = await api.submit_sweep(
        {"circuit": "x", "parameters": common, "bindings": [{"p0": 1}, {"q": 1}]}
    )
    assert bad_fields(answer) == ["bindings.1.parameters"]
    large = [0.123456789] * 6_000
    answer = await api.submit_sweep({"circuit": "x", "bindings": [{"a": 1}, {"a": large}]})
    assert bad_fields(answer) == ["bindings.1.parameters"]


async def test_the_copies_of_a_sweep_are_bounded() -> None:
    async with in_process_api() as roomy:
        body = {"circuit": "x" * 100_000, "bindings": [{}] * 168}
        assert bad_fields(await roomy.submit_sweep(body)) == ["bindings"]
        assert (await roomy.submit_sweep(body | {"bindings": [{}] * 167})).status_code == 202


async def test_an_unknown_field_of_a_sweep_is_told_the_known_ones(api: InProcessApi) -> None:
    answer = await api.submit_sweep({"circuit": "x", "binding": {}, "bindings": [{}]})
    assert "bindings" in problem(answer, 422)["errors"][0]["message"]
