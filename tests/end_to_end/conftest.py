"""Fixtures of the tests that run the real processes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.support.processes import System, system


@pytest.fixture
def ketlog(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[System]:
    """A system on fresh servers' places, without processes yet."""
    with system(database_url, rabbitmq_url, tmp_path) as made:
        made.settings["WORKER_SLOTS"] = "1"
        yield made


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of the owner, for looking at tables."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
