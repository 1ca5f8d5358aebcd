"""The OpenAPI document and the documentation page."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openapi_spec_validator
import pytest
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from pydantic import BaseModel

from domain.log import LogCursor
from service.api import docs, examples
from service.api.batch_models import (
    BATCH_CANCELLED,
    BATCH_RUNNING,
    BATCH_SUBMITTED,
    BATCHES,
    SWEEPS,
    BatchStatus,
    BatchSubmitted,
    submitted_batch,
    submitted_sweep,
)
from service.api.check_models import CircuitCheck
from service.api.list_models import LISTS, TaskList
from service.api.models import (
    CancelTask,
    Health,
    ProblemDocument,
    SubmitTask,
    TaskStatus,
    TaskSubmitted,
    limited_submission,
)
from service.api.openapi_batches import BATCH_PROBLEMS
from service.api.openapi_cancel import CANCEL_PROBLEMS, CANCELLATIONS
from service.api.openapi_ended import ENDED_PROBLEMS
from service.api.openapi_reading import CHECKS, READING_PROBLEMS
from service.api.openapi_security import KEY_PROBLEMS, TENANT_PROBLEMS, with_security
from service.api.parameters import CURSOR_PATTERN, cursor_text
from service.api.parameters import cursor as parse_cursor
from service.api.result_models import RESULTS, TaskResult
from tests.support.api import InProcessApi, in_process_api

Json = dict[str, Any]
SENT = {
    "application/json",
    "application/x-ndjson",
    "text/plain",
    "text/event-stream",
    "image/svg+xml",
}
METHODS = {"get", "post", "put", "patch", "delete", "head", "options"}


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api(max_shots=500) as made:
        yield made


@pytest.fixture
async def document(api: InProcessApi) -> Json:
    answer = await api.http.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    return dict(answer.json())


def nodes(value: object) -> Iterator[Json]:
    """Every object of a JSON value."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from nodes(part)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield path, method, operation


def resolved(document: Json, node: Json) -> Json:
    """What a reference points to."""
    if "$ref" not in node:
        return node
    target: Any = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return dict(target)


def test_it_is_a_document_of_openapi_3_1(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    assert set(document) <= {"openapi", "info", "servers", "tags", "paths", "components"}
    identifiers = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(identifiers) == len(set(identifiers))


def test_the_linter_finds_nothing(document: Json) -> None:
    openapi_spec_validator.validate(document)
    openapi_spec_validator.validate(with_security(document))
    document["paths"]["/tasks"]["post"]["responses"] = {}
    with pytest.raises(OpenAPIValidationError):
        openapi_spec_validator.validate(document)


def test_what_was_submitted_is_linked_to_all_that_can_be_asked_about_it(document: Json) -> None:
    links = document["paths"]["/tasks"]["post"]["responses"]["202"]["links"]
    about_a_task = {
        operation["operationId"]
        for path, _, operation in operations(document)
        if re.findall(r"{(\w+)}", path) == ["task_id"]
    }
    assert {"getTask", "cancelTask", "getProof"} <= about_a_task
    assert set(links) == about_a_task
    for name, link in links.items():
        assert link == {"operationId": name, "parameters": {"task_id": "$response.body#/task_id"}}


def test_every_reference_leads_somewhere(document: Json) -> None:
    references = [node for node in nodes(document) if "$ref" in node]
    assert references
    for node in references:
        assert resolved(document, node)


def test_every_path_parameter_is_described(document: Json) -> None:
    for path, _, operation in operations(document):
        parameters = [resolved(document, node) for node in operation.get("parameters", [])]
        described = {node["name"] for node in parameters if node["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", path))
        assert all(node["required"] for node in parameters if node["in"] == "path")
        assert all("schema" in node for node in parameters)


def test_every_answer_has_a_description_and_problems_their_media_type(document: Json) -> None:
    for _, _, operation in operations(document):
        for status, node in operation["responses"].items():
            answer = resolved(document, node)
            assert answer["description"]
            if status in {"204", "304"}:
                assert "content" not in answer
            elif int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"]
            else:
                assert set(answer["content"]) <= SENT


async def test_every_documented_operation_exists(api: InProcessApi, document: Json) -> None:
    for path, method, operation in operations(document):
        url = re.sub(r"{\w+}", "550e8400-e29b-41d4-a716-446655440000", path)
        streams = "text/event-stream" in operation["responses"].get("200", {}).get("content", ())
        answer = await api.http.request("head" if streams else method, url, json={"circuit": "x"})
        assert str(answer.status_code) in document["paths"][path][method]["responses"]


def test_the_limits_of_this_installation_are_in_it(document: Json) -> None:
    fields = document["components"]["schemas"]["SubmitTask"]["properties"]
    assert fields["shots"]["maximum"] == 500
    assert fields["shots"]["default"] == 500
    assert fields["circuit"]["maxLength"] == 1_048_576
    assert document["components"]["schemas"]["SubmitTask"]["additionalProperties"] is False


def test_bounds_of_numbers_are_in_it(document: Json) -> None:
    fields = document["components"]["schemas"]["SubmitTask"]["properties"]
    assert fields["seed"]["anyOf"][0] == {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}
    value = document["components"]["schemas"]["ParameterValue"]
    assert [choice["type"] for choice in value["anyOf"]] == ["boolean", "number", "array"]
    assert resolved(document, value["anyOf"][2]["items"]) == value
    assert not [node for node in nodes(document) if {"ge", "le", "gt", "lt"} & node.keys()]


def test_answers_may_get_more_fields(document: Json) -> None:
    for name in ("TaskStatus", "TaskSubmitted", "Health"):
        assert "additionalProperties" not in document["components"]["schemas"][name]


def test_the_document_describes_the_model_that_validates() -> None:
    limited = limited_submission(100_000, 1_048_576)
    assert set(limited.model_fields) == set(SubmitTask.model_fields)
    assert limited.__name__ == "SubmitTask"


@pytest.mark.parametrize(
    ("model", "samples"),
    [
        (limited_submission(100_000, 1_048_576), examples.SUBMISSIONS),
        (TaskSubmitted, examples.SUBMITTED),
        (
            TaskStatus,
            examples.PENDING
            | examples.COMPLETED
            | examples.FAILED
            | examples.CANCELLED
            | examples.ERASED,
        ),
        (CancelTask, CANCELLATIONS),
        (Health, examples.HEALTHY),
        *((ProblemDocument, samples) for _, samples in examples.PROBLEMS.values()),
        *((ProblemDocument, samples) for _, samples in CANCEL_PROBLEMS.values()),
        *((ProblemDocument, samples) for _, samples in KEY_PROBLEMS.values()),
        (ProblemDocument, TENANT_PROBLEMS),
        (CircuitCheck, CHECKS),
        (TaskList, LISTS),
        (TaskResult, RESULTS),
        *((ProblemDocument, samples) for _, samples in READING_PROBLEMS.values()),
        *((ProblemDocument, samples) for _, samples in ENDED_PROBLEMS.values()),
        (submitted_batch(SubmitTask), BATCHES),
        (submitted_sweep(SubmitTask), SWEEPS),
        (BatchSubmitted, BATCH_SUBMITTED),
        (BatchStatus, BATCH_RUNNING | BATCH_CANCELLED),
        *((ProblemDocument, samples) for _, samples in BATCH_PROBLEMS.values()),
    ],
)
def test_every_example_fits_its_model(model: type[BaseModel], samples: Json) -> None:
    assert samples
    for sample in samples.values():
        model.model_validate_json(json.dumps(sample["value"]))


def test_every_example_of_the_schema_fits_the_model(document: Json) -> None:
    limited = limited_submission(100_000, 1_048_576)
    for sample in document["components"]["schemas"]["SubmitTask"]["examples"]:
        limited.model_validate_json(json.dumps(sample))


async def test_the_documentation_loads_only_what_this_installation_serves(
    api: InProcessApi,
) -> None:
    page = await api.http.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "/docs/swagger-ui.js" in links
    assert "/docs/swagger-ui.css" in links
    for link in links:
        if link != "data:,":
            assert link.startswith("/")
            assert (await api.http.get(link)).status_code == 200
    assert "<script>" not in page.text
    assert "://" not in page.text


async def test_the_documentation_forbids_loading_from_elsewhere(api: InProcessApi) -> None:
    for path in ("/docs", "/docs/swagger-ui.js", "/docs/start.js"):
        policy = (await api.http.get(path)).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        assert "script-src 'self';" in policy


async def test_the_style_sheet_names_nothing_elsewhere(api: InProcessApi) -> None:
    style = (await api.http.get("/docs/swagger-ui.css")).text
    assert not re.search(r"@import|url\((?![\"']?data:)", style)


async def test_the_page_asks_nobody_to_validate_its_document(api: InProcessApi) -> None:
    start = (await api.http.get("/docs/start.js")).text
    assert 'url: "/openapi.json"' in start
    assert "validatorUrl: null" in start


async def test_assets_are_sent_once(api: InProcessApi) -> None:
    first = await api.http.get("/docs/swagger-ui.css")
    again = await api.http.get(
        "/docs/swagger-ui.css", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_the_front_page_leads_to_the_documentation(api: InProcessApi) -> None:
    answer = await api.http.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "find_spec", lambda _name: None)
    docs._asset.cache_clear()
    with pytest.raises(FileNotFoundError, match="offapi"):
        docs._asset("swagger-ui.js")


def test_the_pattern_of_cursors_is_that_of_every_cursor() -> None:
    for number in (0, 1, 745, 2**32, 2**63 - 1):
        cursor = LogCursor(number, 2**63 - 1 - number)
        assert re.fullmatch(CURSOR_PATTERN, cursor_text(cursor))
    for text in ("AX" + "_" * 10 + "f" + "_" * 10, "AQ" + "A" * 21):
        assert re.fullmatch(CURSOR_PATTERN, text)
        parse_cursor(text)
