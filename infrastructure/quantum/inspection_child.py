"""The process that looks at circuits without running them: `InspectionProcess` starts it.

It begins like a simulator and has the same limits, with less memory, because it holds no state of
qubits.
"""

import os

from infrastructure.quantum.child import Engine, main
from infrastructure.quantum.limits import EngineLimits

_NICE = 5
"""Tasks go first where a processor has both to do."""


def _examiner(limits: EngineLimits) -> Engine:
    os.nice(_NICE)
    from infrastructure.quantum.examiner import Examiner  # noqa: PLC0415 - tied to the parent first

    return Examiner(limits)


if __name__ == "__main__":
    main(_examiner)
