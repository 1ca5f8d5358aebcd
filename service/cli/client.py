"""A small client of the HTTP API on the standard library alone."""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

Json: TypeAlias = dict[str, Any]

ANSWER_SECONDS = 10.0
RETRY_SECONDS = 30.0
_LONGEST_WAIT = 5.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_UNAVAILABLE = 503


class ApiError(Exception):
    """The API refused a request, or could not be asked; the message says what to do."""


class ApiUnreachable(ApiError):
    """Nothing answers at the API's address."""


class ApiClient:
    """Talks to one API.

    Args:
        url: such as `http://127.0.0.1:8001`.
        key: shown with every request, where the API wants one.

    Raises:
        ApiError: the URL is none of HTTP.
    """

    def __init__(self, url: str, key: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ApiError(f"API_URL must look like http://127.0.0.1:8001, not {url!r}")
        self.url = url.rstrip("/")
        self._key = key
        proxies = [urllib.request.ProxyHandler({})] if parts.hostname in _LOOPBACK else []
        self._opener = urllib.request.build_opener(*proxies)

    def health(self) -> Json:
        """Return the health answer."""
        return self._ask("GET", "/health")

    def task(self, task_id: str) -> Json:
        """Return a task's status answer."""
        return self._ask("GET", f"/tasks/{quote(task_id, safe='')}")

    def submit(self, submission: Mapping[str, Any]) -> Json:
        """Submit a task once, however often it has to be sent; returns the answer."""
        key = str(uuid.uuid4())
        give_up_at = time.monotonic() + RETRY_SECONDS
        while True:
            try:
                return self._ask("POST", "/tasks", submission, key)
            except _Unavailable as problem:
                if time.monotonic() + problem.retry_after > give_up_at:
                    raise
                time.sleep(problem.retry_after)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, key: str | None = None
    ) -> Json:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Accept": "application/json"},
        )
        if self._key:
            # Not for whoever the API may redirect to.
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if key is not None:
            request.add_header("Idempotency-Key", key)
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                return _object(answer.read())
        except urllib.error.HTTPError as error:
            raise _problem(error) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ApiUnreachable(
                f"no answer from {self.url} ({reason}): `make up` starts the stack, "
                "`make status` shows it; API_URL says where the API is"
            ) from None


class _Unavailable(ApiError):
    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _problem(error: urllib.error.HTTPError) -> ApiError:
    with error:
        try:
            document = _object(error.read())
        except ValueError:
            document = {}
    message = f"{error.code} {document.get('title', error.reason)}"
    if "detail" in document:
        message += f": {document['detail']}"
    for field in document.get("errors", []):
        message += f"\n  {field.get('field')}: {field.get('message')}"
    if error.code != _UNAVAILABLE:
        return ApiError(message)
    given = error.headers.get("Retry-After", "")
    wait = min(float(given), _LONGEST_WAIT) if given.isdecimal() else 1.0
    return _Unavailable(message, wait)


def _object(text: bytes) -> Json:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("the answer is no JSON object")  # noqa: TRY004 - what json raises too
    return value
