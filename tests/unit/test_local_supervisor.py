"""The supervisor's configuration says what was asked for, whatever characters it has."""

import json
import shlex
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions  # type: ignore[import-untyped]

from infrastructure.local.account import ServerAccount
from infrastructure.local.supervisor import ProcessState, Program, Supervisor

PROGRAM = Program("api", ["/bin/true", "a b"], {"SECRET": "%x\"'\n"}, Path("/"))


class Unstarted(Supervisor):
    """Writes its files and starts nothing."""

    running = False

    def _start(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "a folder with 100%"
    folder.mkdir()
    return folder


@pytest.fixture
def supervisor(folder: Path) -> Supervisor:
    return Unstarted(folder, folder)


def understood(folder: Path) -> Any:
    """What supervisord itself reads in the configuration about the one program."""
    options = ServerOptions()
    options.realize(["-n", "-c", str(folder / "supervisord.conf")])
    (group,) = options.process_group_configs
    (program,) = group.process_configs
    return program


def test_paths_survive_spaces_and_percent_signs(supervisor: Supervisor, folder: Path) -> None:
    supervisor.apply([PROGRAM])
    program = understood(folder)
    assert shlex.split(program.command)[-2] == str(folder / "api.order.json")
    assert program.stdout_logfile == str(folder / "api.log")


def test_an_order_holds_the_environment_and_only_its_owner_reads_it(
    supervisor: Supervisor, folder: Path
) -> None:
    supervisor.apply([replace(PROGRAM, account=ServerAccount(7, 8, switch=True))])
    order = folder / "api.order.json"
    assert order.stat().st_mode & 0o777 == 0o600
    assert json.loads(order.read_text()) == {
        "command": ["/bin/true", "a b"],
        "environment": {"SECRET": "%x\"'\n"},
        "folder": "/",
        "account": [7, 8],
        "death_signal": int(signal.SIGTERM),
    }
    assert "SECRET" not in (folder / "supervisord.conf").read_text()


def test_another_environment_is_another_command(supervisor: Supervisor, folder: Path) -> None:
    supervisor.apply([PROGRAM])
    before = understood(folder).command
    supervisor.apply([replace(PROGRAM, environment={"SECRET": "other"})])
    assert understood(folder).command != before


def test_a_program_is_stopped_with_its_own_signal(supervisor: Supervisor, folder: Path) -> None:
    supervisor.apply([replace(PROGRAM, stop_signal=signal.SIGINT, stop_seconds=7)])
    program = understood(folder)
    assert (program.stopsignal, program.stopwaitsecs) == (signal.SIGINT, 7)


class Running(Supervisor):
    """Answers calls from a script."""

    running = True

    def __init__(self, folder: Path, reloaded: list[list[str]]) -> None:
        super().__init__(folder, folder)
        self.calls: list[tuple[object, ...]] = []
        self._reloaded = reloaded

    def _call(self, method: str, *arguments: object) -> Any:
        self.calls.append((method.removeprefix("supervisor."), *arguments))
        if method.endswith("reloadConfig"):
            return [self._reloaded]
        return {"statename": "STOPPED", "pid": 0, "description": ""}


@pytest.fixture
def running(folder: Path) -> Running:
    return Running(folder, [["worker-2"], ["api"], ["worker-3"]])


def test_only_what_differs_is_stopped_and_replaced(running: Running) -> None:
    running.apply([PROGRAM])
    assert [call for call in running.calls if call[0] != "getProcessInfo"] == [
        ("reloadConfig",),
        ("stopProcess", "api", False),
        ("stopProcess", "worker-3", False),
        ("removeProcessGroup", "api"),
        ("removeProcessGroup", "worker-3"),
        ("addProcessGroup", "api"),
        ("addProcessGroup", "worker-2"),
    ]


def test_a_process_in_its_first_second_is_not_running_yet() -> None:
    assert not ProcessState("api", "STARTING", 1, "").running
    assert ProcessState("api", "RUNNING", 1, "").running


class Stubborn(Running):
    """Has one process, which ends only when it is killed."""

    def _call(self, method: str, *arguments: object) -> Any:
        answer = super()._call(method, *arguments)
        if method.endswith("getProcessInfo") and ("signalProcess", "api", "KILL") not in self.calls:
            return answer | {"statename": "STOPPING"}
        return answer


def test_a_process_that_does_not_end_in_time_is_killed(folder: Path) -> None:
    supervisor = Stubborn(folder, [[], [], []])
    supervisor.stop(["api"], patience=0)
    assert ("signalProcess", "api", "KILL") in supervisor.calls
