"""The API holds what its OpenAPI document promises, for requests made up from that document."""

from pathlib import Path

import pytest

from tests.fuzz.fuzz_api import BRIEFLY, SHORT_STREAMS, SOON_SEALED, fuzz, prepare
from tests.support.client import Client
from tests.support.processes import System


@pytest.fixture
async def known(ketlog: System) -> dict[str, list[str]]:
    """A whole system that is ready, and the ids of what is in it."""
    ketlog.api(**SHORT_STREAMS)
    ketlog.relay(**SOON_SEALED)
    ketlog.worker()
    ketlog.wait_ready()
    async with Client(ketlog.api_url) as client:
        return await prepare(client)


def test_every_operation_does_what_the_document_says(
    ketlog: System, known: dict[str, list[str]], tmp_path: Path
) -> None:
    verdict = fuzz(ketlog.api_url, tmp_path, known, bounds=BRIEFLY, seed=1)
    assert verdict.passed, "\n".join(verdict.lines())
    assert verdict.unreached == []
    assert verdict.requests > 3 * len(verdict.successes)
    assert [process.stop() for process in ketlog.processes.values()] == [0, 0, 0]
