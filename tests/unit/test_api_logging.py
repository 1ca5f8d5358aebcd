"""What a line of the log looks like, and what is never in it."""

import io
import json
import logging

import pytest
import structlog

from infrastructure.telemetry.logging import MAX_VALUE_CHARACTERS, configure_logging


@pytest.fixture(autouse=True)
def _restored_logging() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """The lines of a JSON log."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def quote_a_row() -> None:
    """Fail as PostgreSQL does, because of something else."""
    try:
        dict[str, str]()["cause"]
    except KeyError as cause:
        raise ValueError("duplicate key\nDETAIL: row (secret)") from cause


def test_a_stream_that_is_no_terminal_gets_json() -> None:
    out = io.StringIO()
    configure_logging("worker", "INFO", "auto", out)
    structlog.get_logger().info("Connected to RabbitMQ", attempt=2)
    (line,) = lines(out)
    assert line["event"] == "Connected to RabbitMQ"
    assert (line["process"], line["level"], line["attempt"]) == ("worker", "info", 2)
    assert str(line["timestamp"]).endswith("Z")


def test_a_terminal_gets_text() -> None:
    out = Terminal()
    configure_logging("worker", "INFO", "auto", out)
    structlog.get_logger().info("Started consuming messages")
    assert "Started consuming messages" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_the_format_can_be_chosen() -> None:
    terminal, file = Terminal(), io.StringIO()
    configure_logging("api", "INFO", "json", terminal)
    structlog.get_logger().info("one")
    configure_logging("api", "INFO", "console", file)
    structlog.get_logger().info("two")
    assert lines(terminal)[0]["event"] == "one"
    assert not file.getvalue().startswith("{")


def test_lines_below_the_level_are_left_out() -> None:
    out = io.StringIO()
    configure_logging("api", "WARNING", "json", out)
    structlog.get_logger().info("quiet")
    logging.getLogger("uvicorn.error").info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_libraries_log_in_the_same_form() -> None:
    out = io.StringIO()
    configure_logging("api", "INFO", "json", out)
    logging.getLogger("uvicorn.error").info("Started %s", "process")
    (line,) = lines(out)
    assert line["event"] == "Started process"
    assert (line["process"], line["logger"]) == ("api", "uvicorn.error")


def test_an_error_is_shown_without_the_rows_it_quotes() -> None:
    out = io.StringIO()
    configure_logging("api", "INFO", "json", out)
    try:
        quote_a_row()
    except ValueError:
        structlog.get_logger().exception("append failed")
        logging.getLogger("asyncio").exception("again")
    assert len(lines(out)) == 2
    for line in lines(out):
        assert line["error"] == "ValueError: duplicate key"
        assert "test_api_logging.py" in str(line["at"])
        assert "KeyError" in str(line["at"])
    assert "secret" not in out.getvalue()


def test_an_error_object_can_be_given() -> None:
    out = io.StringIO()
    configure_logging("api", "INFO", "json", out)
    structlog.get_logger().error("failed", exc_info=ValueError())
    assert lines(out)[0]["error"] == "ValueError"


@pytest.mark.parametrize(
    "url", ["amqp://guest:s3cret@127.0.0.1:5672/", "postgresql://me:s3cr@et@db/tasks"]
)
def test_passwords_in_urls_are_hidden(url: str) -> None:
    out = io.StringIO()
    configure_logging("api", "INFO", "json", out)
    structlog.get_logger().info(f"trying {url}", url=url)
    logging.getLogger("elsewhere").warning("cannot reach %s", url)
    assert "s3cr" not in out.getvalue()
    assert "***@" in out.getvalue()


def test_a_value_has_a_longest_length() -> None:
    out = io.StringIO()
    configure_logging("api", "INFO", "json", out)
    structlog.get_logger().info("big", value="x" * 100_000)
    assert len(str(lines(out)[0]["value"])) == MAX_VALUE_CHARACTERS + 1
