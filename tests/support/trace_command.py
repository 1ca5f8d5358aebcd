"""`make trace`, without make."""

import asyncio
import os
import subprocess
import sys

from tests.support.processes import ROOT


async def run_trace(database_url: str, *arguments: str, width: int = 160) -> tuple[int, str]:
    """Run the command on a database; returns its exit code and what it said."""
    outcome = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "service.trace", *arguments],
        check=False,
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url, "COLUMNS": str(width)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return outcome.returncode, outcome.stdout + outcome.stderr
