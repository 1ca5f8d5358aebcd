"""What keys cost a request: `python -m bench.auth`.

Two APIs on one private PostgreSQL take turns under the same load: one asks nobody who they are, and
one wants a key. Every other round goes backwards, so that neither always comes after the same
neighbour. The median of the rounds' ratios to "off" is what counts, the middle half of them says
how steady it is; the processor time of the API for each answer hardly depends on what else runs.
"""

import argparse
import asyncio
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from bench.load import Order, run_load
from bench.processor import tree_seconds
from bench.stack import Process, Servers
from domain.keys import Scope, make_key
from infrastructure.postgres.keys import key_ring

KINDS = {"off": {"AUTH": "off"}, "keys": {"AUTH": "keys"}}


@dataclass
class Turns:
    """What was seen of one API, a value for each turn."""

    process: Process
    key: str
    rates: list[float] = field(default_factory=list)
    microseconds: list[float] = field(default_factory=list)

    def take(self, seconds: float, connections: int, *, counts: bool) -> None:
        """Let it work for a while."""
        before = tree_seconds(self.process.pid)
        seen = run_load(Order(self.process.port, seconds, connections=connections, key=self.key))
        used = tree_seconds(self.process.pid) - before
        if counts:
            self.rates.append(seen.per_second)
            self.microseconds.append(used / seen.answers * 1e6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a turn")
    options = parser.parse_args()
    with ExitStack() as stack:
        installation = stack.enter_context(Servers()).installation(broker=False)
        shown = {"off": "", "keys": asyncio.run(_key(installation.dsn))}
        seen = {
            kind: Turns(stack.enter_context(installation.api(**variables)), shown[kind])
            for kind, variables in KINDS.items()
        }
        for number in range(options.rounds + 1):
            for turns in list(seen.values())[:: -1 if number % 2 else 1]:
                turns.take(options.seconds, options.connections, counts=number > 0)
    for kind, turns in seen.items():
        print(
            f"{kind:5} {statistics.median(turns.rates):.0f}/s, "
            f"{_ratios(turns.rates, seen['off'].rates)}; "
            f"{statistics.median(turns.microseconds):.0f} µs of processor time each, "
            f"{_ratios(turns.microseconds, seen['off'].microseconds)}"
        )


def _ratios(mine: Sequence[float], off: Sequence[float]) -> str:
    ratios = [one / other for one, other in zip(mine, off, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} of off (middle half {low:.3f} to {high:.3f})"


async def _key(dsn: str) -> str:
    key = make_key()
    async with key_ring(dsn, "bench") as ring:
        await ring.add(key, "physics", "bench", frozenset({Scope.SUBMIT, Scope.READ}), None)
    return key.text


if __name__ == "__main__":
    main()
