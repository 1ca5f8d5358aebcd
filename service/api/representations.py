"""A result in the forms that clients ask for. Pure: from the stored JSON to the JSON of an answer.

Keys are those of the counts: Qiskit's bit order, in which bit 0 is rightmost, the register that was
declared last is leftmost, and a space stands between registers.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from domain.codec import to_json


def counts(result: bytes, _shots: int) -> bytes:
    """Return outcome -> number of shots, as stored."""
    return result


def probabilities(result: bytes, shots: int) -> bytes:
    """Return outcome -> share of the shots, from 0 to 1."""
    tallied: dict[str, int] = json.loads(result)
    return to_json({outcome: times / shots for outcome, times in tallied.items()}).encode()


def registers(result: bytes, _shots: int) -> bytes:
    """Return the counts of each classical register alone, in order of declaration.

    Each has its `index`, its `bits` and its `counts`, whose keys are its bits, bit 0 rightmost.
    Names are not there: they are part of the circuit, and no part of what is recorded of a run.
    """
    tallied: dict[str, int] = json.loads(result)
    columns: list[Counter[str]] = []
    for outcome, times in tallied.items():
        parts = outcome.split(" ")[::-1]
        while len(columns) < len(parts):
            columns.append(Counter())
        for column, part in zip(columns, parts, strict=True):
            column[part] += times
    return to_json(
        [
            {
                "index": index,
                "bits": len(next(iter(column))),
                "counts": dict(sorted(column.items())),
            }
            for index, column in enumerate(columns)
        ]
    ).encode()


Represent = Callable[[bytes, int], bytes]

FORMS: Final[Mapping[str, Represent]] = {
    "counts": counts,
    "probabilities": probabilities,
    "registers": registers,
}
"""What can be made from a task's counts and its shots."""
