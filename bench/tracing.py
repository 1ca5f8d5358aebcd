"""What tracing costs a submission: `python -m bench.tracing`.

Three APIs on one private PostgreSQL take turns under the same load: one with tracing off, one as
shipped, one that records every trace. The median of the rounds' ratios to "off" is what counts.
"""

import argparse
import os
import statistics
from contextlib import ExitStack
from unittest.mock import patch

from bench.submit import _load, _private_database, _server
from infrastructure.local.guardian import Guardian

KINDS = {
    "off": {"OTEL_SDK_DISABLED": "true"},
    "shipped": {},
    "all": {"OTEL_TRACES_SAMPLER": "parentbased_always_on"},
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of a turn")
    options = parser.parse_args()
    with ExitStack() as stack:
        dsn = _private_database(stack, stack.enter_context(Guardian()))
        ports = {}
        for kind, variables in KINDS.items():
            with patch.dict(os.environ, variables):
                ports[kind] = stack.enter_context(_server("service.api", dsn))
            _load(ports[kind], options.connections, 2.0)
        rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(options.rounds):
            for kind, port in ports.items():
                seen = _load(port, options.connections, options.seconds)
                rates[kind].append(seen["per_second"])
                print(f"{kind:8} {seen['per_second']:8.0f}/s", flush=True)
    for kind, measured in rates.items():
        ratios = [mine / off for mine, off in zip(measured, rates["off"], strict=True)]
        print(
            f"{kind:8} median {statistics.median(measured):.0f}/s, {statistics.median(ratios):.3f} "
            f"of off ({min(ratios):.3f} to {max(ratios):.3f})"
        )


if __name__ == "__main__":
    main()
