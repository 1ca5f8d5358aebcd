"""Where a client wants a stream to go on: the `Last-Event-ID` of the HTML standard."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from starlette.types import Scope

from service.api.correlation import context_of
from service.api.parameters import single
from service.api.problems import FieldProblem, invalid_request

PARAMETER = "last_event_id"
HEADER = "Last-Event-ID"

T = TypeVar("T")


def last_event_id(
    scope: Scope, given: Mapping[str, list[str]], parse: Callable[[str], T], otherwise: T
) -> T:
    """Return what a request's header says, or else its query parameter.

    The header wins: a browser sends it when it reconnects, to the URL that it began with.

    Args:
        given: the query parameters.
        parse: raises `ValueError` with what it must be.

    Raises:
        Problem: 422, one of them is no id of this stream.
    """
    parameter = single(given, PARAMETER, parse, otherwise)
    header = context_of(scope).headers.get(HEADER.lower().encode(), b"").decode("latin-1")
    if not header:
        return parameter
    try:
        return parse(header)
    except ValueError as error:
        raise invalid_request([FieldProblem(HEADER, str(error))]) from None
