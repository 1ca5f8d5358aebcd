"""Submissions per second beside a bare Starlette endpoint: `python -m bench.submit`.

The API and the yardstick (`bench/bare.py`) run with the same uvicorn flags and the same model, and
take turns under the same load, so that what else the machine does hits both. The API stores each
task in a private PostgreSQL with `fsync` on before it answers. The median of the rounds' ratios is
what counts; the absolute figures belong to the machine.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from infrastructure.local.account import ServerAccount
from infrastructure.local.guardian import Guardian
from infrastructure.local.ports import LOOPBACK, free_port, wait_until
from infrastructure.local.postgres import PostgresServer
from infrastructure.postgres.migrate import apply_migrations

BODY = json.dumps({"circuit": "OPENQASM 3; qubit q; h q; measure q;"})
DATABASE = "quantum_tasks"


def main() -> None:
    """Measure and print."""
    options = _options()
    with ExitStack() as stack:
        guardian = stack.enter_context(Guardian())
        dsn = options.database_url or _private_database(stack, guardian)
        servers = {
            name: stack.enter_context(_server(module, dsn))
            for name, module in (("bare", "bench.bare"), ("ketlog", "service.api"))
        }
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for name, port in servers.items():
            _load(port, options.connections, 2.0)
            print(f"{name} is warm", flush=True)
        for number in range(1, options.rounds + 1):
            for name, port in servers.items():
                seen = _load(port, options.connections, options.seconds)
                rounds[name].append(seen)
                print(
                    f"round {number} {name:7} {seen['per_second']:8.0f}/s  "
                    f"p50 {seen['p50_ms']:6.2f} ms  p99 {seen['p99_ms']:6.2f} ms"
                    + (f"  {seen['unexpected']:.0f} not 202" if seen["unexpected"] else ""),
                    flush=True,
                )
    per_second = {
        name: [seen["per_second"] for seen in results] for name, results in rounds.items()
    }
    ratios = [
        ours / bare for ours, bare in zip(per_second["ketlog"], per_second["bare"], strict=True)
    ]
    print(
        f"median: ketlog {statistics.median(per_second['ketlog']):.0f}/s, "
        f"bare {statistics.median(per_second['bare']):.0f}/s; "
        f"ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), "
        f"{options.connections} connections, {options.rounds} rounds of {options.seconds:g} s"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a turn")
    parser.add_argument(
        "--database-url", help="a migrated database to use instead of a private server"
    )
    return parser.parse_args()


def _private_database(stack: ExitStack, guardian: Guardian) -> str:
    root = ServerAccount.current().make_reachable_root("ketlog-bench-")
    guardian.remove_at_end(root)
    server = PostgresServer(root, free_port(), guardian=guardian)
    server.start()
    stack.callback(server.stop)
    server.ensure_database(DATABASE)
    apply_migrations(server.dsn(DATABASE))
    return server.dsn(DATABASE)


@contextmanager
def _server(module: str, dsn: str) -> Iterator[int]:
    """Run a server as a process of its own; yields its port."""
    port = free_port()
    environment = os.environ | {
        "HOST": LOOPBACK,
        "PORT": str(port),
        "DATABASE_URL": dsn,
        "RABBITMQ_URL": f"amqp://guest:guest@{LOOPBACK}:{free_port()}/",
        "LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen([sys.executable, "-m", module], env=environment)
    try:
        wait_until(
            lambda: _answers(port),
            what=module,
            timeout=30,
            alive=lambda: process.poll() is None,
        )
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://{LOOPBACK}:{port}/nothing-here", timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _load(port: int, connections: int, seconds: float) -> dict[str, float]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.load",
            *(LOOPBACK, str(port), str(connections), str(seconds), BODY),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds + 60,
    )
    seen: dict[str, float] = json.loads(done.stdout)
    return seen


if __name__ == "__main__":
    main()
