"""What `GET /tasks/{task_id}` is asked: the task as it stands, as it was, or once it has ended."""

from typing import Final, NamedTuple

from starlette.types import Scope

from service.api.live.patience import MAX_WAIT_SECONDS
from service.api.parameters import (
    MAX_VERSION,
    end_of_moment,
    query_parameters,
    single,
    whole_number,
)
from service.api.time_travel import Moment

PARAMETERS = ("as_of", "version", "wait")


class Question(NamedTuple):
    """What is asked.

    Attributes:
        moment: the task as it was then; `None` for now.
        wait: seconds to wait for the task's end; none for a moment, which does not change.
    """

    moment: Moment | None = None
    wait: int = 0


AS_IT_STANDS: Final = Question()


def question_of(scope: Scope) -> Question:
    """Return what a request asks; raises `Problem` (422)."""
    if not scope["query_string"]:
        return AS_IT_STANDS
    given = query_parameters(scope, PARAMETERS)
    version = single(given, "version", whole_number(1, MAX_VERSION), None)
    time = single(given, "as_of", end_of_moment, None)
    wait = single(given, "wait", whole_number(0, MAX_WAIT_SECONDS), 0)
    if version is None and time is None:
        return Question(wait=wait)
    return Question(Moment(version, time))
