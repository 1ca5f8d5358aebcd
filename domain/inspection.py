"""What can be asked about a circuit without running it, and what comes back.

Whatever is wrong with the circuit comes back as the `RunFailed` that its run would end with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from domain.execution import RunFailed, RunRequest

InspectionKind: TypeAlias = Literal["check", "drawing"]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A question about one circuit.

    Attributes:
        kind: `check` asks what a run would be like, `drawing` for the circuit drawn as text.
    """

    kind: InspectionKind
    request: RunRequest


@dataclass(frozen=True, slots=True)
class CircuitReport:
    """What a run would be like.

    Attributes:
        facts: sizes, method, memory in bytes, expected time in seconds. JSON-compatible.
    """

    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CircuitDrawing:
    """A circuit drawn with characters, a line for each wire and more between them."""

    text: str


InspectionAnswer: TypeAlias = CircuitReport | CircuitDrawing | RunFailed


class CircuitInspector(Protocol):
    """Looks at circuits without running them."""

    async def inspect(self, inspection: Inspection) -> InspectionAnswer:
        """Answer a question about a circuit.

        Raises:
            InspectorAway: nobody is there who could.
            InspectorBusy: too many questions wait already.
            InspectionTooLong: the circuit takes longer to look at than one may.
        """
        ...
