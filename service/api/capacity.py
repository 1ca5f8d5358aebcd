"""Whether more tasks are taken on now."""

from service.api.backlog import Backlog
from service.api.caller import Caller
from service.api.guard import STORE_RETRY_SECONDS
from service.api.health import QueueState
from service.api.problems import Problem, unavailable
from service.api.tenant_backlogs import TenantBacklogs


class Capacity:
    """Judges whoever asks for tasks to be stored.

    Args:
        needs_broker: refuse tasks while this is away or blocked; `None` accepts them always.
        backlog: judges whether more tasks may wait; `None` lets any number wait.
        backlogs: judges the same for each tenant; `None` where there are no tenants.
    """

    def __init__(
        self,
        needs_broker: QueueState | None,
        backlog: Backlog | None,
        backlogs: TenantBacklogs | None = None,
    ) -> None:
        self._needs_broker = needs_broker
        self._backlog = backlog
        self._backlogs = backlogs

    def check(self, caller: Caller, tasks: int = 1) -> None:
        """Let so many tasks pass.

        Raises:
            Problem: 503, they are not taken on now; 429, not those of this tenant.
        """
        broker = self._needs_broker
        if broker is not None and (broker.blocked or not broker.connected):
            raise _broker_unavailable()
        if self._backlog is not None:
            self._backlog.check(tasks)
        if self._backlogs is not None:
            self._backlogs.check(caller, tasks)

    def stored(self, tenant: str, tasks: int = 1) -> None:
        """Say that so many tasks of a tenant were stored."""
        if self._backlog is not None:
            self._backlog.stored(tasks)
        if self._backlogs is not None:
            self._backlogs.stored(tenant, tasks)


def _broker_unavailable() -> Problem:
    return unavailable(
        "broker-unavailable",
        "The queue is away",
        "RabbitMQ takes no messages now and this service is set to refuse tasks then. "
        "Nothing was stored; send the request again.",
        retry_after=STORE_RETRY_SECONDS,
    )
