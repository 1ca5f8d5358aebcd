"""What the model says, as tables for the terminal and for `docs/scaling.md`."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from bench.figures import number
from bench.machine import CHECKOUT
from bench.scaling.demands import Demands
from bench.scaling.model import Limit, Machine, cores_for, limits
from bench.scaling.prices import Prices, cost_of_a_million
from bench.scaling.rows import CORES, Compared
from bench.table import columns, measured, put_between

PAGE = CHECKOUT / "docs" / "scaling.md"
FACTORS = (1, 10, 100, 1000)
SECONDS_A_DAY = 86_400
Table = Sequence[Sequence[str]]


def tables(demands: Demands, compared: Sequence[Compared], today: float) -> Mapping[str, Table]:
    """Return all tables by name; the first line of each is its head."""
    found = limits(demands, Machine(), CORES)
    return {
        "demands": _demands(demands),
        "check": _check(compared),
        "limits": _limits(found, today),
        "growth": _growth(demands, found, today),
        "cost": _cost(demands),
    }


def plain(made: Mapping[str, Table]) -> str:
    """Return the tables for a terminal."""
    return "\n\n".join(columns(table) for table in made.values())


def write_page(stored: Mapping[str, Any]) -> None:
    """Put the stored tables between their markers."""
    for name, table in stored["tables"].items():
        head, *rest = table
        lines = [head, ["---"] * len(head), *rest]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        if name == "demands":
            body = f"{measured(stored['machine'])}\n\n{body}"
        begin = f"<!-- {name}: written by `python -m bench.scaling --write-table`, do not edit -->"
        put_between(begin, f"<!-- end of {name} -->", body, PAGE)


def _demands(demands: Demands) -> Table:
    return [
        ("what", "a task"),
        *(
            (
                name.removesuffix("_ms").removesuffix("_bytes").replace("_", " "),
                f"{number(value)} {_unit(name)}".strip(),
            )
            for name, value in asdict(demands).items()
        ),
        ("all but the client", f"{number(demands.whole)} ms"),
    ]


def _unit(name: str) -> str:
    other = {"commits": "", "sealed_per_second": "events/s"}
    return other.get(name, "B" if name.endswith("_bytes") else "ms")


def _check(compared: Sequence[Compared]) -> Table:
    return [
        ("row", "predicted", "bounded by", "measured", "deviation"),
        *(
            (
                one.what,
                f"{number(one.predicted)} {one.unit}",
                one.by,
                "not measured" if one.measured is None else f"{number(one.measured)} {one.unit}",
                "-" if one.deviation is None else f"{100 * one.deviation:+.0f} %",
            )
            for one in compared
        ),
    ]


def _limits(found: Sequence[Limit], today: float) -> Table:
    return [
        ("what is full", "tasks/s", "times today", "what one turns on", "needs"),
        *(
            (
                limit.what,
                number(limit.per_second),
                number(limit.per_second / today),
                limit.then,
                "code" if limit.code else "settings and servers",
            )
            for limit in found
        ),
    ]


def _growth(demands: Demands, found: Sequence[Limit], today: float) -> Table:
    parts = {
        "API": demands.api,
        "relay": demands.relay,
        "workers": demands.worker,
        "simulators": demands.simulators,
        "PostgreSQL": demands.postgresql,
        "RabbitMQ": demands.rabbitmq,
    }
    rates = [factor * today for factor in FACTORS]
    return [
        (
            "",
            *(
                f"{factor} x ({number(rate)}/s)"
                for factor, rate in zip(FACTORS, rates, strict=True)
            ),
        ),
        *(
            (f"cores for {name}", *(str(cores_for(demand, rate)) for rate in rates))
            for name, demand in parts.items()
        ),
        ("WAL", *(f"{number(rate * demands.wal_bytes / 1e6)} MB/s" for rate in rates)),
        (
            "stored",
            *(
                f"{number(rate * demands.stored_bytes * SECONDS_A_DAY / 1e9)} GB a day"
                for rate in rates
            ),
        ),
        (
            "full on the way",
            *(_full(found, *step) for step in itertools.pairwise([0.0, *rates])),
        ),
    ]


def _full(found: Sequence[Limit], after: float, until: float) -> str:
    """Return what ends between two rates, the first first."""
    names = [limit.what for limit in found if after <= limit.per_second < until]
    return "; ".join(names) or "nothing new"


def _cost(demands: Demands) -> Table:
    cost = cost_of_a_million(demands, Prices())
    return [
        ("part", "US$ a million tasks"),
        *((name, f"{value:.3f}") for name, value in cost.items()),
        ("in all", f"{sum(cost.values()):.2f}"),
    ]
