"""`start`: `make up` natively on a warm machine until all is healthy, beside RabbitMQ's own start.

Both have made their data once before. The command is the one that `make up` runs.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack

from bench.figures import Figure, at_most
from bench.machine import CHECKOUT, bare_environment
from bench.run import Run
from infrastructure.local.account import ServerAccount
from infrastructure.local.ports import free_ports
from infrastructure.local.rabbitmq import RabbitMQServer

GOAL_SECONDS = 3.0
PORTS = ("API_PORT", "POSTGRES_PORT", "RABBITMQ_PORT", "RABBITMQ_MANAGEMENT_PORT")


def measure(run: Run) -> list[Figure]:
    """Start both once to make their data, then in turns."""
    ours: list[float] = []
    theirs: list[float] = []
    with ExitStack() as stack:
        folder = run.servers.folder / "stack"
        ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        environment = bare_environment(ports | {"STACK": "native", "STACK_DIR": str(folder)})
        stack.callback(_command, "clean", environment)
        broker = _broker(run)
        for number in range(run.rounds + 1):
            seconds = _start(broker)
            our_seconds = _command("up", environment)
            _command("down", environment)
            if number:
                theirs.append(seconds)
                ours.append(our_seconds)
                run.say(f"round {number} RabbitMQ {seconds:.1f} s  make up {our_seconds:.1f} s")
    above = [mine - bare for mine, bare in zip(ours, theirs, strict=True)]
    return [
        at_most(
            "start",
            "make up until healthy, above RabbitMQ's own start",
            "s",
            ours,
            theirs,
            judged=above,
            goal=GOAL_SECONDS,
            judged_unit="s",
        )
    ]


def _start(broker: RabbitMQServer) -> float:
    began = time.perf_counter()
    broker.start()
    seconds = time.perf_counter() - began
    broker.stop()
    return seconds


def _broker(run: Run) -> RabbitMQServer:
    root = ServerAccount.current().make_reachable_root("ketlog-bench-start-")
    run.servers.guardian.remove_at_end(root)
    amqp, management, distribution, epmd = free_ports(4)
    return RabbitMQServer(
        root,
        port=amqp,
        management_port=management,
        distribution_port=distribution,
        epmd_port=epmd,
        guardian=run.servers.guardian,
    )


def _command(command: str, environment: Mapping[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "infrastructure.local", command],
        check=True,
        cwd=CHECKOUT,
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        timeout=180,
    )
    return time.perf_counter() - began
