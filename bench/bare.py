"""The yardstick: bare Starlette endpoints with the API's own model, which store nothing.

`python -m bench.bare` runs them with the uvicorn flags of the API and uvicorn's own HTTP protocol.
`BARE_ANSWER_BYTES` is the size of the body that `GET /tasks/{task_id}` answers.
"""

import os
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infrastructure.settings import ApiSettings, read_settings
from service.api.listening import listen
from service.api.models import limited_submission
from service.api.server_config import server_config

_SETTINGS = read_settings(ApiSettings)
_MODEL = limited_submission(_SETTINGS.max_shots, _SETTINGS.max_circuit_bytes)
_ANSWER = b'"' + b"x" * (int(os.environ.get("BARE_ANSWER_BYTES", "1024")) - 2) + b'"'


async def submit(request: Request) -> JSONResponse:
    """Validate the body and answer as the API does, from nothing."""
    _MODEL.model_validate_json(await request.body())
    return JSONResponse(
        {
            "task_id": str(uuid4()),
            "submitted_at": "2025-12-28T14:30:00.123Z",
            "message": "Task submitted successfully.",
            "correlation_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        },
        status_code=202,
    )


async def status(_request: Request) -> Response:
    """Answer with as many bytes as the API does."""
    return Response(_ANSWER, media_type="application/json")


if __name__ == "__main__":
    import uvicorn

    app = Starlette(
        routes=[
            Route("/tasks", submit, methods=["POST"]),
            Route("/tasks/{task_id}", status, methods=["GET"]),
        ]
    )
    uvicorn.Server(server_config(app, _SETTINGS, "httptools")).run(
        sockets=[listen(_SETTINGS.host, _SETTINGS.port)]
    )
