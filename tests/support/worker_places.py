"""A place for real workers, and the relay's part beside them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.dispatcher import Dispatcher, dispatching
from tests.support.processes import System, system


@pytest.fixture
def processes(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[System]:
    """A place for processes; workers have one slot each."""
    with system(database_url, rabbitmq_url, tmp_path) as made:
        made.settings["WORKER_SLOTS"] = "1"
        yield made


@pytest.fixture
async def dispatcher(database_url: str, rabbitmq_url: str) -> AsyncIterator[Dispatcher]:
    """The relay's part; it takes a lease that has run out for lost at once."""
    async with dispatching(database_url, rabbitmq_url) as made:
        yield made
