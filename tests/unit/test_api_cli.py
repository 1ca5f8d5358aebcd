"""The command line against an API that a test plays."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from rich.console import Console

from service.cli import __main__ as cli
from service.cli import client as cli_client
from service.cli import demo
from service.cli.client import ApiClient, ApiError, ApiUnreachable
from service.cli.demo import EXAMPLES, run_demo
from service.cli.display import show_histogram, show_task

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], object]

HEALTHY = {"status": "healthy", "database_status": "connected", "queue_status": "connected"}
DEGRADED = {"status": "degraded", "database_status": "connected", "queue_status": "disconnected"}


class PlayedApi:
    """An HTTP server whose answers a test decides.

    Attributes:
        requests: method, path, headers and body of each request.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.answer: Callable[[str, str, Any], Answer] = lambda _method, _path, _body: (404, {}, {})
        played = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._handle(None)

            def do_POST(self) -> None:
                self._handle(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def _handle(self, body: Any) -> None:
                played.requests.append((self.command, self.path, dict(self.headers), body))
                status, headers, answer = played.answer(self.command, self.path, body)
                content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def api() -> Iterator[PlayedApi]:
    played = PlayedApi()
    yield played
    played.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "POLL_SECONDS", 0.001)


def entry(status: str, second: int, notes: str) -> Json:
    return {"status": status, "transitioned_at": f"2025-12-28T14:30:0{second}.123Z", "notes": notes}


def task(task_id: str, status: str, shots: int = 1024, **fields: Any) -> Json:
    """A status answer."""
    ended = {"completed_at": "2025-12-28T14:30:02.123Z"} if status != "pending" else {}
    return {
        "task_id": task_id,
        "status": status,
        "submitted_at": "2025-12-28T14:30:00.123Z",
        **ended,
        "status_history": [entry("pending", 0, "Task created"), entry(status, 2, "The end")],
        "correlation_id": "[bold]c",
        "shots": shots,
        "attempt": 1,
        **fields,
    }


class Stack:
    """Plays a stack that does what the demonstration expects, after one look at each task."""

    def __init__(self) -> None:
        self.submissions: dict[str, Json] = {}
        self.looks: dict[str, int] = {}
        self.health: list[Json] = [HEALTHY]
        self.spoil: dict[str, Json] = {}

    def __call__(self, method: str, path: str, body: Any) -> Answer:
        if path == "/health":
            return 200, {}, self.health.pop(0) if len(self.health) > 1 else self.health[0]
        if method == "POST":
            task_id = f"task-{len(self.submissions)}"
            self.submissions[task_id] = body
            return 202, {}, {"task_id": task_id}
        task_id = path.removeprefix("/tasks/")
        self.looks[task_id] = self.looks.get(task_id, 0) + 1
        if self.looks[task_id] == 1:
            return 200, {}, task(task_id, "pending")
        return 200, {}, self.ended(task_id)

    def ended(self, task_id: str) -> Json:
        example = EXAMPLES[int(task_id[-1])]
        shots = self.submissions[task_id].get("shots", 1024)
        if not example.outcomes:
            made = task(
                task_id,
                "failed",
                error_code="parse_error",
                error_message="line 1, column 5: no ;",
            )
        else:
            outcomes = sorted(example.outcomes)
            counts = dict.fromkeys(outcomes[1:], 1)
            counts[outcomes[0]] = shots - len(counts)
            made = task(task_id, "completed", shots, result=counts, execution={"seed": 7})
        return made | self.spoil.get(example.name, {})


def demonstrate(api: PlayedApi, *, terminal: bool = False) -> tuple[bool, str]:
    """Run the demonstration; whether all was as expected, and what was shown."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100, highlight=False)
    return run_demo(ApiClient(api.url), console), out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_the_demonstration_is_content_with_what_should_be(api: PlayedApi, terminal: bool) -> None:
    api.answer = Stack()
    content, shown = demonstrate(api, terminal=terminal)
    assert content
    assert ("\x1b[" in shown) is terminal
    assert "line 1, column 5: no ;" in shown
    assert "Not as expected" not in shown
    keys = {
        headers["Idempotency-Key"] for method, _, headers, _ in api.requests if method == "POST"
    }
    assert len(keys) == len(EXAMPLES)


@pytest.mark.parametrize(
    ("name", "spoiled", "complaint"),
    [
        ("quickstart", {"result": {"0": 1023}}, "sum to 1023"),
        ("quickstart", {"result": {"0": 1000, "7": 24}}, "outcomes that cannot be: 7"),
        ("Bell pair", {"status": "failed", "error_message": "too much"}, "failed: too much"),
        ("Bell pair", {"status": "cancelled"}, "cancelled: no reason"),
        ("bad circuit", {"status": "completed", "result": {"0": 1}}, "should have failed"),
        ("bad circuit", {"error_message": "no idea"}, "names no line and column"),
    ],
)
def test_the_demonstration_names_what_is_not_as_expected(
    api: PlayedApi, name: str, spoiled: Json, complaint: str
) -> None:
    stack = Stack()
    stack.spoil[name] = spoiled
    api.answer = stack
    content, shown = demonstrate(api)
    assert not content
    assert f"Not as expected: {name}" in shown
    assert complaint in shown


def test_the_demonstration_waits_for_the_stack(api: PlayedApi) -> None:
    stack = Stack()
    stack.health = [DEGRADED, DEGRADED, HEALTHY]
    api.answer = stack
    content, shown = demonstrate(api)
    assert content
    assert shown.count("queue disconnected") == 1


def test_a_stack_that_stays_degraded_is_named(
    api: PlayedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "HEALTH_SECONDS", 0.05)
    stack = Stack()
    stack.health = [DEGRADED]
    api.answer = stack
    with pytest.raises(ApiError, match=r"queue disconnected.*make status"):
        demonstrate(api)


def test_a_stack_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "HEALTH_SECONDS", 0.05)
    console = Console(file=io.StringIO())
    with pytest.raises(ApiError, match="make up"):
        run_demo(ApiClient("http://127.0.0.1:9"), console)


def test_tasks_that_do_not_finish_are_named(
    api: PlayedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "FOLLOW_SECONDS", 0.05)
    stack = Stack()
    stack.spoil["Bell pair"] = {"status": "processing"}
    api.answer = stack
    with pytest.raises(ApiError, match=r"Bell pair is processing.*make logs SERVICE=worker"):
        demonstrate(api)


def test_a_submission_is_repeated_with_its_key_while_the_api_is_unavailable(
    api: PlayedApi,
) -> None:
    def answer(_method: str, _path: str, _body: Any) -> Answer:
        if len(api.requests) < 3:
            return 503, {"Retry-After": "0"}, {"title": "away", "detail": "later"}
        return 202, {}, {"task_id": "t"}

    api.answer = answer
    assert ApiClient(api.url).submit({"circuit": "x"}) == {"task_id": "t"}
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in api.requests}) == 1
    assert [body for *_, body in api.requests] == [{"circuit": "x"}] * 3


def test_the_key_of_the_environment_is_shown_and_follows_no_redirection(
    api: PlayedApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(_method: str, path: str, _body: Any) -> Answer:
        if path == "/tasks/t":
            return 307, {"Location": "/elsewhere"}, {}
        return 401, {}, {"title": "Key required", "detail": "Send your key"}

    api.answer = answer
    monkeypatch.setenv("API_URL", api.url)
    monkeypatch.setenv("API_KEY", "ketlog_abc\n")
    assert cli.main(["task", "t"]) == 1
    assert "401 Key required" in capsys.readouterr().err
    shown = [headers.get("Authorization") for _, _, headers, _ in api.requests]
    assert shown == ["Bearer ketlog_abc", None]


def test_an_api_that_stays_unavailable_is_given_up(
    api: PlayedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_client, "RETRY_SECONDS", 0.5)
    api.answer = lambda *_: (503, {"Retry-After": "60"}, {"title": "away", "detail": "later"})
    with pytest.raises(ApiError, match="503 away: later"):
        ApiClient(api.url).submit({"circuit": "x"})
    api.answer = lambda *_: (503, {}, b"<html>")
    with pytest.raises(ApiError, match="503"):
        ApiClient(api.url).submit({"circuit": "x"})


def test_a_refusal_names_each_field(api: PlayedApi) -> None:
    errors = [{"field": "shots", "message": "too many"}]
    api.answer = lambda *_: (422, {}, {"title": "Invalid", "detail": "fix it", "errors": errors})
    with pytest.raises(ApiError, match=r"422 Invalid: fix it\n  shots: too many"):
        ApiClient(api.url).submit({"circuit": "x"})


@pytest.mark.parametrize("content", [b"no JSON", b"[]"])
def test_an_answer_that_is_no_api_s_is_named(api: PlayedApi, content: bytes) -> None:
    api.answer = lambda *_: (200, {}, content)
    with pytest.raises(ApiUnreachable):
        ApiClient(api.url).health()


@pytest.mark.parametrize("url", ["127.0.0.1:8001", "ftp://a", "http://", ""])
def test_an_url_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ApiError, match="API_URL"):
        ApiClient(url)


def test_the_command_shows_a_task(
    api: PlayedApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("API_URL", api.url)
    api.answer = lambda *_: (200, {}, task("t/1", "completed", 3, result={"0": 1, "1": 2}))
    assert cli.main(["task", "t/1"]) == 0
    assert api.requests[0][1] == "/tasks/t%2F1"
    shown = capsys.readouterr().out
    assert "[bold]c" in shown
    assert "+  2.000 s" in shown
    assert "66.7 %" in shown


def test_the_command_says_what_went_wrong_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("API_URL", "http://127.0.0.1:9")
    assert cli.main(["task", "t"]) == 1
    assert "make up" in capsys.readouterr().err


def test_the_demonstration_ends_with_the_outcome(
    api: PlayedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_URL", api.url)
    monkeypatch.setenv("RABBITMQ_MANAGEMENT_URL", "http://127.0.0.1:15672")
    stack = Stack()
    api.answer = stack
    assert cli.main(["demo"]) == 0
    stack.spoil["quickstart"] = {"result": {"0": 1}}
    stack.submissions.clear()
    assert cli.main(["demo"]) == 1


def test_an_interruption_ends_quietly(api: PlayedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setenv("API_URL", api.url)
    monkeypatch.setattr(cli, "run_demo", interrupt)
    assert cli.main(["demo"]) == cli.INTERRUPTED


def test_a_failed_task_shows_its_reason() -> None:
    out = io.StringIO()
    failed = task("t", "failed", error_code="parse_error", error_message="line 1, column 5: no ;")
    show_task(Console(file=out, width=100), failed)
    assert "parse_error  line 1, column 5: no ;" in out.getvalue()


def test_a_histogram_of_many_outcomes_shows_the_most_frequent() -> None:
    out = io.StringIO()
    show_histogram(Console(file=out, width=100), {f"{n:05b}": n + 1 for n in range(32)})
    lines = out.getvalue().splitlines()
    assert lines[0].split()[0] == "11111"
    assert lines[-1] == "  and 16 more outcomes"


def test_a_histogram_of_nothing_is_empty() -> None:
    out = io.StringIO()
    show_histogram(Console(file=out), {})
    assert out.getvalue() == ""
