"""`GET /tasks/{id}/proof`, over the in-memory store."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.sealer import Sealer
from service.api.proof_models import PROVED, TaskProof
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.tasks import QUICKSTART
from verifier import ketlog_verify


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api() as made:
        yield made


async def submitted(api: InProcessApi, count: int = 1) -> str:
    """The last of so many new tasks."""
    made = [await api.accepted({"circuit": QUICKSTART}) for _ in range(count)]
    return str(made[-1]["task_id"])


async def seal(api: InProcessApi, folder: Path) -> None:
    await Sealer(api.seals, folder / "signing.key", "ketlog", None, 1.0).round()


async def proof(api: InProcessApi, task_id: str, query: str = "") -> dict[str, Any]:
    answer = await api.http.get(f"/tasks/{task_id}/proof{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    TaskProof.model_validate(answer.json())
    return dict(answer.json())


def verify(given: dict[str, Any], folder: Path, *arguments: str) -> int:
    file = folder / "proof.json"
    file.write_text(json.dumps(given))
    return ketlog_verify.main(["--key", str(folder / "signing.key.pub"), *arguments, str(file)])


async def test_a_sealed_task_is_proved(api: InProcessApi, tmp_path: Path) -> None:
    task_id = await submitted(api, 5)
    await seal(api, tmp_path)
    given = await proof(api, task_id)
    assert "contents" not in given
    assert given["events"][0]["leaf"] == 4
    assert verify(given, tmp_path) == 0


async def test_contents_come_with_their_salts_when_they_are_asked_for(
    api: InProcessApi, tmp_path: Path
) -> None:
    task_id = await submitted(api)
    await seal(api, tmp_path)
    given = await proof(api, task_id, "?contents=true")
    assert [content["kind"] for content in given["contents"]] == ["circuit"]
    assert verify(given, tmp_path) == 0
    assert "contents" not in await proof(api, task_id, "?contents=false")


async def test_it_continues_the_checkpoint_that_a_client_names(
    api: InProcessApi, tmp_path: Path
) -> None:
    await submitted(api, 3)
    await seal(api, tmp_path)
    kept = tmp_path / "kept"
    kept.write_text(api.seals.notes[3].note)
    task_id = await submitted(api, 2)
    await seal(api, tmp_path)
    given = await proof(api, task_id, "?since=3")
    assert given["consistency"]["since"] == 3
    assert verify(given, tmp_path, "--checkpoint", str(kept)) == 0


async def test_before_the_first_checkpoint_there_are_just_the_events(api: InProcessApi) -> None:
    given = await proof(api, await submitted(api))
    assert given["checkpoint"] is None
    assert [event["leaf"] for event in given["events"]] == [None]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?since=0", "since"),
        ("?since=x", "since"),
        ("?since=99999999999999999999999", "since"),
        ("?since=1&since=1", "since"),
        ("?contents=maybe", "contents"),
        ("?content=true", "content"),
    ],
)
async def test_bad_parameters_are_named(
    api: InProcessApi, tmp_path: Path, query: str, field: str
) -> None:
    task_id = await submitted(api)
    await seal(api, tmp_path)
    assert bad_fields(await api.http.get(f"/tasks/{task_id}/proof{query}")) == [field]


async def test_a_checkpoint_that_is_not_there_is_not_found(
    api: InProcessApi, tmp_path: Path
) -> None:
    task_id = await submitted(api)
    await seal(api, tmp_path)
    answer = await api.http.get(f"/tasks/{task_id}/proof?since=2")
    assert bad_fields(answer, 404) == ["since"]
    assert "from 1 to 1" in answer.text


async def test_an_unknown_task_has_no_proof(api: InProcessApi) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"
    document = problem(await api.http.get(f"/tasks/{unknown}/proof"), 404)
    assert document["type"] == "urn:ketlog:problem:no-such-task"
    assert bad_fields(await api.http.get("/tasks/7/proof")) == ["task_id"]


async def test_a_damaged_tree_is_said_to_be_one(api: InProcessApi, tmp_path: Path) -> None:
    task_id = await submitted(api, 5)
    await seal(api, tmp_path)
    del api.seals.leaves[:3]
    document = problem(await api.http.get(f"/tasks/{task_id}/proof"), 500)
    assert document["type"] == "urn:ketlog:problem:log-damaged"
    assert "verify the log" in document["detail"]


def test_the_example_is_one() -> None:
    for example in PROVED.values():
        TaskProof.model_validate(example["value"])
