"""Whatever is wrong with a circuit, as the value that its task ends with."""

import sys
import traceback
from collections.abc import Callable
from typing import TypeVar

from domain.execution import RunFailed
from infrastructure.quantum.qasm import ProgramError
from infrastructure.quantum.refusal import Reason, Refused

T = TypeVar("T")

_SHOWN_CHARACTERS = 300


def or_failure(work: Callable[[], T], out_of_memory: str) -> T | RunFailed:
    """Return what the work comes to; whatever stops it becomes a `RunFailed`.

    Args:
        out_of_memory: what to say when it needs more memory than it may have.
    """
    try:
        return work()
    except ProgramError as error:
        return RunFailed(str(error.code), error.message, error.line, error.column)
    except Refused as refused:
        return RunFailed(str(refused.code), refused.message)
    except MemoryError:
        return RunFailed(str(Reason.TOO_MUCH_MEMORY), out_of_memory)
    except RecursionError:
        return RunFailed(
            str(Reason.TOO_DEEPLY_NESTED), "The program is nested too deeply. Flatten it."
        )
    except Exception as error:  # noqa: BLE001 - a fault costs this answer, not the process
        traceback.print_exc(file=sys.stderr)
        return RunFailed(str(Reason.ENGINE_ERROR), _describe(error))


def _describe(error: Exception) -> str:
    text = str(error).strip()
    first_line = text.splitlines()[0] if text else "no message"
    return f"The engine failed: {type(error).__name__}: {first_line[:_SHOWN_CHARACTERS]}"
