"""The yardstick: a bare Starlette endpoint with the API's own model, which stores nothing.

`python -m bench.bare` runs it with the uvicorn flags of the API and uvicorn's own HTTP protocol.
"""

from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from infrastructure.settings import ApiSettings, read_settings
from service.api.__main__ import listen, server_config
from service.api.models import limited_submission

_SETTINGS = read_settings(ApiSettings)
_MODEL = limited_submission(_SETTINGS.max_shots, _SETTINGS.max_circuit_bytes)


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


if __name__ == "__main__":
    import uvicorn

    app = Starlette(routes=[Route("/tasks", submit, methods=["POST"])])
    uvicorn.Server(server_config(app, _SETTINGS, "httptools")).run(
        sockets=[listen(_SETTINGS.host, _SETTINGS.port)]
    )
