"""Programs that are run with the addresses of the running stack."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path) -> "subprocess.CompletedProcess[str]":
    show = "import os; print(os.environ['API_URL'])"
    return subprocess.run(
        [sys.executable, "-m", "infrastructure.local.with_env", sys.executable, "-c", show],
        check=False,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_program_knows_the_stack(tmp_path: Path) -> None:
    (tmp_path / ".stack").mkdir()
    (tmp_path / ".stack" / "env").write_text("API_URL=http://127.0.0.1:9\n")
    assert run(tmp_path).stdout == "http://127.0.0.1:9\n"


def test_without_a_stack_the_command_that_starts_it_is_named(tmp_path: Path) -> None:
    outcome = run(tmp_path)
    assert outcome.returncode == 1
    assert "make up" in outcome.stderr
