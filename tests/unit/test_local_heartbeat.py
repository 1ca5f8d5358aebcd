"""The file that says that a process is alive."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infrastructure import heartbeat as health_check
from infrastructure.heartbeat import MAX_AGE_SECONDS, Heartbeat, age_seconds, is_fresh


def test_a_new_process_is_not_alive_before_its_first_beat(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    file.touch()
    Heartbeat(file)
    assert age_seconds(file) is None
    assert not is_fresh(file)


def test_a_beat_is_fresh_and_grows_old(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    heartbeat = Heartbeat(file)
    heartbeat.beat()
    assert is_fresh(file)
    long_ago = time.time() - MAX_AGE_SECONDS - 1
    os.utime(file, (long_ago, long_ago))
    assert not is_fresh(file)
    heartbeat.beat()
    assert is_fresh(file)


def test_an_orderly_end_is_seen_at_once(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    heartbeat = Heartbeat(file)
    heartbeat.beat()
    heartbeat.clear()
    assert not is_fresh(file)


def test_without_a_file_nothing_happens() -> None:
    heartbeat = Heartbeat(None)
    heartbeat.beat()
    heartbeat.clear()


def check(**environment: str) -> tuple[int, str]:
    outcome = subprocess.run(
        [sys.executable, "-m", "infrastructure.heartbeat"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return outcome.returncode, outcome.stdout + outcome.stderr


def test_the_health_check_says_what_it_saw(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    assert check() == (1, "HEARTBEAT_FILE is not set: nothing to look at\n")
    assert check(HEARTBEAT_FILE=str(file)) == (1, f"no heartbeat yet in {file}\n")
    Heartbeat(file).beat()
    code, message = check(HEARTBEAT_FILE=str(file))
    assert code == 0
    assert message.startswith("last heartbeat 0.")
    os.utime(file, (1, 1))
    assert check(HEARTBEAT_FILE=str(file))[0] == 1


@pytest.mark.parametrize("name", [None, ""])
def test_the_health_check_needs_a_file_to_look_at(
    name: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HEARTBEAT_FILE", raising=False)
    if name is not None:
        monkeypatch.setenv("HEARTBEAT_FILE", name)
    assert health_check._main() == 1
    assert capsys.readouterr().err == "HEARTBEAT_FILE is not set: nothing to look at\n"


def test_the_health_check_fails_before_the_first_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEARTBEAT_FILE", str(tmp_path / "heartbeat"))
    assert health_check._main() == 1
    assert capsys.readouterr().err.startswith("no heartbeat yet in ")


@pytest.mark.parametrize(("age", "code"), [(0.0, 0), (MAX_AGE_SECONDS + 1, 1)])
def test_the_health_check_goes_by_the_age_of_the_last_beat(
    age: float,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "heartbeat"
    file.touch()
    beaten = time.time() - age
    os.utime(file, (beaten, beaten))
    monkeypatch.setenv("HEARTBEAT_FILE", str(file))
    assert health_check._main() == code
    assert capsys.readouterr().out.startswith(f"last heartbeat {age:.0f}.")
