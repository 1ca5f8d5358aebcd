"""What a fault is: a module of `scenarios/` with a docstring that says what it shows."""

import enum
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TypeAlias

from tests.faults.chaos import scenarios
from tests.faults.chaos.stage import Stage

Act: TypeAlias = Callable[[Stage], Awaitable[str]]


class Part(enum.StrEnum):
    """What a fault is done to; two faults at the same time are done to different parts."""

    POSTGRES = enum.auto()
    RABBITMQ = enum.auto()
    API = enum.auto()
    RELAY = enum.auto()
    WORKER = enum.auto()
    DATABASE_NETWORK = enum.auto()
    BROKER_NETWORK = enum.auto()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of fault.

    Attributes:
        name: of its module.
        shows: first line of the module's docstring.
        touches: the parts that it is done to.
        act: does it and returns, in a few words, to whom; when it returns the fault is over.
        loses_messages: whether the broker may lose what it had confirmed, or lose sight of who
            has it, so that the relay is right to send messages again.
    """

    name: str
    shows: str
    touches: frozenset[Part]
    act: Act
    loses_messages: bool


def all_scenarios() -> dict[str, Scenario]:
    """Return every scenario by name, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(scenarios.__path__))
    return {name: _load(name) for name in names}


def _load(name: str) -> Scenario:
    module = import_module(f"{scenarios.__name__}.{name}")
    assert module.__doc__ is not None
    return Scenario(
        name,
        module.__doc__.strip().splitlines()[0],
        frozenset(Part(part) for part in module.TOUCHES),
        module.act,
        getattr(module, "LOSES_MESSAGES", False),
    )
