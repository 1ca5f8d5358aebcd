"""What the stack says about itself while it comes up."""

import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure.heartbeat import Heartbeat
from infrastructure.local.health import (
    api_problems,
    consumer_problems,
    heartbeat_problems,
    pause_notice,
    wait_for_health,
)
from infrastructure.local.ports import NotReadyError, free_port, free_ports, is_free, wait_until
from infrastructure.local.settings import StackSettings
from infrastructure.local.stack import check_service, taken_port
from infrastructure.local.terminal import UserError


def test_processes_without_a_fresh_heartbeat_are_named(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.heartbeat" for name in ("relay", "worker-1")]
    Heartbeat(files[0]).beat()
    assert heartbeat_problems(files) == ["worker-1: no heartbeat"]


def test_nobody_at_the_other_end_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    settings = StackSettings.read(tmp_path, {"API_PORT": str(free_port())})
    assert api_problems(settings)[0].startswith(f"api: no answer at {settings.api_url}/health")
    nobody = f"127.0.0.1:{free_port()}/"
    assert "no answer" in consumer_problems(f"amqp://{nobody}", f"postgresql://{nobody}", 1)[0]


def test_a_database_that_is_away_has_no_pause_to_tell_of() -> None:
    assert pause_notice(f"postgresql://127.0.0.1:{free_port()}/none") is None


def test_the_wait_ends_when_nothing_is_wrong() -> None:
    states = iter([["relay: starting"], []])
    wait_for_health(lambda: next(states), timeout=60, give_up=lambda: None)


def test_the_wait_ends_early_for_a_reason() -> None:
    with pytest.raises(UserError, match="api ended"):
        wait_for_health(lambda: ["api"], timeout=60, give_up=lambda: "api ended")


def test_a_wait_that_is_over_says_what_is_wrong() -> None:
    with pytest.raises(UserError, match="relay: no heartbeat"):
        wait_for_health(lambda: ["relay: no heartbeat"], timeout=0, give_up=lambda: None)


def test_waiting_for_a_server_is_bounded_by_time_and_by_its_life() -> None:
    with pytest.raises(NotReadyError, match="it was not ready after 0 s"):
        wait_until(lambda: False, what="it", timeout=0)
    with pytest.raises(NotReadyError, match="it ended while it started"):
        wait_until(lambda: False, what="it", timeout=60, alive=lambda: False)


def test_free_ports_are_free_and_different() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    assert all(map(is_free, ports))


def test_a_port_that_another_process_has_chosen_is_not_chosen_again() -> None:
    (theirs,) = free_ports(1)
    program = (
        "import infrastructure.local.ports as ports\n"
        f"draws = iter([{theirs}, {theirs}, *range(30_000, 30_100)])\n"
        "ports.random.randint = lambda first, last: next(draws)\n"
        "ports.is_free = lambda port: True\n"
        "print(ports.free_port())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert int(ended.stdout) in set(range(30_000, 30_100)) - {theirs}


def test_choices_of_long_ago_are_given_up() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    ports = {free_port() for _ in range(600)}
    assert len(ports) > 500
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 256


def test_a_taken_port_is_named_with_the_variable_that_changes_it() -> None:
    message = str(taken_port("RABBITMQ_PORT", 5672))
    assert "port 5672 is taken" in message
    assert "make up RABBITMQ_PORT=5682" in message


def test_an_unknown_service_is_refused_with_the_known_ones() -> None:
    assert check_service("worker") == "worker"
    with pytest.raises(UserError, match="postgres, rabbitmq, api, relay, worker"):
        check_service("epmd")
