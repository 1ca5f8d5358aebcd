"""One form for every line that a process logs, its own and its libraries'.

    2025-12-28T14:30:00.123456Z [info     ] Connected to RabbitMQ   process=worker attempt=1

A line is for operators: it never holds a circuit, a result or a credential. Errors are therefore
shown with their class, the first line of their message and the place in the code; the lines that
PostgreSQL adds below the first quote rows.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from typing import Literal, TextIO, TypeAlias

import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

LogFormat: TypeAlias = Literal["auto", "json", "console"]

MAX_VALUE_CHARACTERS = 2_000
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s@]*:[^/?#\s]*(?=@)")
_QUIET_LIBRARIES = ("aiormq", "aiormq.connection", "asyncio", "asyncpg", "urllib3", "yoyo")


def configure_logging(
    process: str, level: str, log_format: LogFormat = "auto", stream: TextIO | None = None
) -> None:
    """Send everything that this process logs to one stream, one line an event.

    Args:
        process: `api`, `worker`, `relay`, …: shown in every line.
        level: name of the lowest level shown, as in `logging`.
        log_format: `auto` writes for people on a terminal, else JSON.
        stream: where lines go; standard output unless told.
    """
    out = stream or sys.stdout
    readable = log_format == "console" or (log_format == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_process(process),
        _show_error,
        _redact,
    ]
    renderer = _readable(out) if readable else structlog.processors.JSONRenderer(default=str)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _route_libraries(shared, renderer, level, out)


def first_line(error: BaseException) -> str:
    """Return an error's class and the first line of its message."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _readable(out: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=out.isatty(), sort_keys=False)


def _route_libraries(shared: list[Processor], renderer: Processor, level: str, out: TextIO) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Their lines about single connections say nothing that ours do not say once and better.
    quiet = max(logging.WARNING, root.level)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(quiet)


def _name_process(process: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return add


def _show_error(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into text that quotes no data."""
    exc_info: ExcInfo | BaseException | bool | None = event.pop("exc_info", None)
    if exc_info is True:
        error = sys.exc_info()[1]
    elif isinstance(exc_info, BaseException):
        error = exc_info
    else:
        error = exc_info[1] if exc_info else None
    if error is not None:
        event["error"] = first_line(error)
        event["at"] = " < ".join(_places(error))
    return event


def _places(error: BaseException) -> Iterator[str]:
    """Yield where an error and its causes were raised, innermost frame first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if link is not error:
            yield f"[{first_line(link)}]"
        for frame in reversed(traceback.extract_tb(link.__traceback__)):
            yield f"{frame.filename}:{frame.lineno} {frame.name}"
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide passwords in URLs and bound what a single value can be."""
    for key, value in event.items():
        if not isinstance(value, str):
            continue
        if "://" in value:
            value = _CREDENTIALS.sub("***", value)  # noqa: PLW2901 - the same value, made safe
        if len(value) > MAX_VALUE_CHARACTERS:
            value = value[:MAX_VALUE_CHARACTERS] + "…"  # noqa: PLW2901
        event[key] = value
    return event
