"""The commands that move a log: `export` and `import`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.audit.__main__ import main
from tests.support.forger import Forger
from tests.support.places import Place, exported, partly_sealed
from tests.support.varied_log import LIVES, varied_log


def run(*arguments: str) -> int:
    """A command as a shell would run it, in a thread of its own for its event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(main, list(arguments)).result(60)


async def test_the_commands_move_a_log_through_a_file(  # noqa: PLR0917 - fixtures
    here: Place,
    there: Place,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    await partly_sealed(here, key)
    file = tmp_path / "log.ndjson"
    monkeypatch.setenv("DATABASE_URL", here.url)
    assert run("export", "--with-payloads", str(file)) == 0
    assert "2 checkpoints; sha256 " in capfd.readouterr().err
    assert list(tmp_path.glob("*.part")) == []
    monkeypatch.setenv("ADMIN_DATABASE_URL", there.url)
    assert run("import", str(file)) == 0
    assert f"of {2 * len(LIVES) + 1} tasks" in capfd.readouterr().out
    assert run("import", str(file)) == 2
    assert "has a log already" in capfd.readouterr().err
    monkeypatch.delenv("ADMIN_DATABASE_URL")
    assert run("export") == 0
    written = capfd.readouterr().out
    assert written.startswith('{"export":"begin"')
    assert len(written.splitlines()) == len((await exported(here, payloads=False)).splitlines())


async def test_a_failed_export_leaves_no_file(
    here: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ids = await varied_log(here.log)
    await Forger(here.owner).do("UPDATE events SET hash = $1", bytes(32))
    file = tmp_path / "log.ndjson"
    monkeypatch.setenv("DATABASE_URL", here.url)
    assert run("export", str(file)) == 1
    assert "The log is not what was recorded: task " in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert ids


async def test_a_bad_export_is_named_by_its_line(
    here: Place,
    there: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    await varied_log(here.log)
    file = tmp_path / "log.ndjson"
    file.write_bytes((await exported(here))[:-40])
    monkeypatch.setenv("DATABASE_URL", there.url)
    assert run("import", str(file)) == 1
    said = capfd.readouterr().err
    assert "it is cut off in the middle" in said
    assert "Nothing was imported." in said
    assert run("import", str(tmp_path / "nothing")) == 2
    assert "No such file" in capfd.readouterr().err
