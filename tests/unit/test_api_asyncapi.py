"""The AsyncAPI document: it is one, and it leads everywhere it points to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema

from domain.errors import InspectionTooLong, InspectorAway, InspectorBusy
from domain.execution import RunFailed, RunOptions, RunRequest
from domain.inspection import CircuitDrawing, CircuitReport, Inspection
from infrastructure.postgres.notifications import worker_channel
from infrastructure.rabbitmq.inspection_messages import write_answer, write_question
from service.api.asyncapi import asyncapi_document
from tests.support.api import in_process_api
from tests.support.asyncapi import message_errors

SCHEMA = Path(__file__).parents[1] / "support/schemas/asyncapi-3.0.0.json"
Json = dict[str, Any]


def references(value: object) -> Iterator[str]:
    """Everything that is pointed to."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key == "$ref":
                yield part
            else:
                yield from references(part)
    elif isinstance(value, list):
        for part in value:
            yield from references(part)


async def test_it_is_served_and_is_a_document_of_asyncapi_3() -> None:
    async with in_process_api() as api:
        answer = await api.http.get("/asyncapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document == json.loads(json.dumps(asyncapi_document()))
    schema = json.loads(SCHEMA.read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(document)] == []
    document["channels"]["tasks"]["bindings"]["amqp"]["is"] = "letterbox"
    assert list(validator.iter_errors(document))


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi_document()
    pointed_to = list(references(document))
    assert len(pointed_to) > 20
    for pointer in pointed_to:
        target: Any = document
        for part in pointer.removeprefix("#/").split("/"):
            target = target[part]
        assert target


def test_examples_fit_their_messages() -> None:
    messages = asyncapi_document()["components"]["messages"]
    examples = [
        (name, example)
        for name, message in messages.items()
        for example in message.get("examples", [])
    ]
    assert examples
    for name, example in examples:
        assert message_errors(name, example["payload"], example.get("headers")) == []
        assert message_errors(name, {**example["payload"], "task_id": "1"}, None)


def test_a_workers_channel_has_the_address_that_is_described() -> None:
    address = asyncapi_document()["channels"]["cancellations"]["address"]
    before, _, after = address.partition("{worker}")
    assert after == ""
    assert worker_channel("me").startswith(before)
    assert len(worker_channel("me")) == len(before) + 32


def test_questions_about_circuits_and_their_answers_are_as_described() -> None:
    asked = Inspection("check", RunRequest("OPENQASM 3;", RunOptions(9, 3), {"theta": 0.5}))
    assert message_errors("question", json.loads(write_question(asked)), None) == []
    for answer in (
        CircuitReport({"qubits": 1}),
        CircuitDrawing("q: ┤ H ├"),
        RunFailed("parse_error", "no", 1, 2),
        RunFailed("timeout", "late"),
        InspectorAway("no worker"),
        InspectorBusy("many wait"),
        InspectionTooLong("10 seconds"),
    ):
        assert message_errors("answer", json.loads(write_answer(answer)), None) == []
    assert message_errors("answer", {"facts": {}, "drawing": ""}, None)
