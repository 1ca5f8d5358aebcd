"""What keys cost a request: `python -m bench.auth`.

Two APIs on one private PostgreSQL take turns under the same load: one asks nobody who they are, and
one wants a key. Every other round goes backwards, so that neither always comes after the same
neighbour. The median of the rounds' ratios to "off" is what counts; the middle half of them says
how steady it is.
"""

import argparse
import asyncio
import statistics
from contextlib import ExitStack

from bench.load import Order, run_load
from bench.stack import Servers
from domain.keys import Scope, make_key
from infrastructure.postgres.keys import key_ring

KINDS = {"off": {"AUTH": "off"}, "keys": {"AUTH": "keys"}}


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
        ports = {
            kind: stack.enter_context(installation.api(**variables)).port
            for kind, variables in KINDS.items()
        }
        rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for number in range(options.rounds + 1):
            for kind, port in list(ports.items())[:: -1 if number % 2 else 1]:
                order = Order(
                    port, options.seconds, connections=options.connections, key=shown[kind]
                )
                seen = run_load(order)
                if number:
                    rates[kind].append(seen.per_second)
                    print(f"{kind:8} {seen.per_second:8.0f}/s", flush=True)
    for kind, measured in rates.items():
        ratios = [mine / off for mine, off in zip(measured, rates["off"], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"{kind:8} median {statistics.median(measured):.0f}/s, {middle:.3f} of off "
            f"(middle half {low:.3f} to {high:.3f})"
        )


async def _key(dsn: str) -> str:
    key = make_key()
    async with key_ring(dsn, "bench") as ring:
        await ring.add(key, "physics", "bench", frozenset({Scope.SUBMIT, Scope.READ}), None)
    return key.text


if __name__ == "__main__":
    main()
