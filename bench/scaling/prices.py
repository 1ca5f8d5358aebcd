"""What a million tasks cost. The prices are assumptions of the size that public clouds have."""

from dataclasses import dataclass

from bench.scaling.demands import Demands
from bench.scaling.model import UTILISATION

MILLION = 1e6
_MS_IN_HOUR = 3.6e6
_GB = 1e9


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars.

    Attributes:
        core_hour: one vCPU with its memory for an hour.
        disk_gb_month: a replicated disk.
        archive_gb_month: object storage for the archived WAL.
        transfer_gb: between availability zones.
        kept_months: how long tasks stay in the database.
        archive_months: how long WAL is kept.
        database_copies: primary and standbys.
        broker_nodes: of the RabbitMQ cluster.
    """

    core_hour: float = 0.04
    disk_gb_month: float = 0.10
    archive_gb_month: float = 0.023
    transfer_gb: float = 0.01
    kept_months: float = 3.0
    archive_months: float = 0.25
    database_copies: int = 2
    broker_nodes: int = 3


def cost_of_a_million(demands: Demands, prices: Prices) -> dict[str, float]:
    """Return dollars by part, for Bell pairs; a real circuit changes the simulators alone."""

    def cores(milliseconds: float) -> float:
        return MILLION * milliseconds / _MS_IN_HOUR / UTILISATION * prices.core_hour

    wal = MILLION * demands.wal_bytes / _GB
    stored = MILLION * demands.stored_bytes / _GB
    return {
        "API": cores(demands.api),
        "relay": cores(demands.relay),
        "workers": cores(demands.worker),
        "simulators": cores(demands.simulators),
        "PostgreSQL": cores(demands.postgresql) * prices.database_copies,
        "RabbitMQ": cores(demands.rabbitmq) * prices.broker_nodes,
        "disk": stored * prices.database_copies * prices.kept_months * prices.disk_gb_month,
        "WAL archive": wal * prices.archive_months * prices.archive_gb_month,
        "replication": wal * (prices.database_copies - 1) * prices.transfer_gb,
    }
