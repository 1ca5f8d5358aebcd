"""A submission that is stored only to be taken back, to find out whether tasks can be stored."""

import secrets
from typing import Final

from domain.execution import RunOptions
from domain.identifiers import new_traceparent, uuid7
from domain.log import Append, Metadata
from domain.payloads import Payload, PayloadKind
from domain.task import Submit, decide

ACTOR: Final = "api"
CIRCUIT_BYTES: Final = 64 * 1024
"""More than finds room by chance in the tables of a database whose disk is full."""


def rehearsal() -> Append:
    """Return a new submission; its circuit is noise, which cannot be compressed."""
    circuit = Payload(PayloadKind.CIRCUIT, secrets.token_bytes(CIRCUIT_BYTES))
    task_id = uuid7()
    return Append(
        task_id,
        0,
        decide(None, Submit(RunOptions(), circuit.commitment(), None)),
        Metadata(str(task_id), new_traceparent(), ACTOR),
        (circuit,),
    )
