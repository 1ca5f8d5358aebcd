"""Who may come in: keys, scopes, failures, and a database that is away."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import structlog
from starlette.routing import Route

from domain.errors import StoreUnavailable
from domain.keys import FoundKey, Scope, TenantLimits, make_key
from infrastructure.memory.keys import MemoryKeys
from service.api.authentication import (
    FAILURES_AT_ONCE,
    LIFE_SECONDS,
    MOST_WAITING,
    RETRY_SECONDS,
    STALE_SECONDS,
    Authentication,
)
from service.api.caller import Caller, still_permitted
from service.api.correlation import Correlation
from service.api.permissions import NEEDED, close_to_strangers, needed_for
from service.api.problems import Problem
from service.api.tenant_quota import TenantQuota
from tests.support.api import InProcessApi, in_process_api, problem

ALL_OF_A_TENANT = (Scope.SUBMIT, Scope.READ, Scope.AUDIT, Scope.ADMIN)
UNKNOWN_TASK = "550e8400-e29b-41d4-a716-446655440000"


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@dataclass
class WatchedKeys:
    """Keys whose look-ups are counted, and may be held up or fail."""

    inner: MemoryKeys = field(default_factory=MemoryKeys)
    look_ups: int = 0
    away: bool = False
    open_door: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open_door.set()

    async def find(self, key_id: str) -> FoundKey | None:
        self.look_ups += 1
        await self.open_door.wait()
        if self.away:
            raise StoreUnavailable("PostgreSQL is away")
        return await self.inner.find(key_id)


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys() -> WatchedKeys:
    return WatchedKeys()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authentication(keys: WatchedKeys, clock: Clock) -> Authentication:
    return Authentication(keys, deadline_seconds=5.0, clock=clock)


async def ask(authentication: Authentication, text: str, client: str = "192.0.2.1") -> Caller:
    return await authentication.caller({b"authorization": f"Bearer {text}".encode()}, client)


async def refusal(authentication: Authentication, text: str, client: str = "192.0.2.1") -> Problem:
    with pytest.raises(Problem) as caught:
        await ask(authentication, text, client)
    return caught.value


class _Plain:
    """An ASGI function as an endpoint."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._handle(scope, receive, send)


async def _nothing(*_: Any) -> Any:
    raise AssertionError("nothing is received or sent")


@asynccontextmanager
async def guarded_api(keys: MemoryKeys, **settings: Any) -> AsyncIterator[InProcessApi]:
    # Streams end: nobody who asks here waits for anything.
    async with in_process_api(keys=keys, **({"stream_seconds": 0.05} | settings)) as api:
        yield api


async def test_a_key_stands_for_its_tenant_and_scopes(
    authentication: Authentication, keys: WatchedKeys
) -> None:
    text = keys.inner.add("physics", Scope.READ)
    caller = await ask(authentication, text)
    assert (caller.tenant, set(caller.scopes)) == ("physics", {Scope.READ})
    assert caller.actor == f"key:{text[7:19]}"


async def test_a_key_is_looked_up_once_in_its_short_life(
    authentication: Authentication, keys: WatchedKeys, clock: Clock
) -> None:
    text = keys.inner.add("physics", Scope.READ)
    for _ in range(10):
        await ask(authentication, text)
        clock.now += LIFE_SECONDS / 20
    assert keys.look_ups == 1
    clock.now += LIFE_SECONDS
    await ask(authentication, text)
    assert keys.look_ups == 2


async def test_a_revoked_key_is_refused_within_its_short_life(
    authentication: Authentication, keys: WatchedKeys, clock: Clock
) -> None:
    text = keys.inner.add("physics", Scope.READ)
    await ask(authentication, text)
    keys.inner.revoke(text)
    clock.now += LIFE_SECONDS
    refused = await refusal(authentication, text)
    assert (refused.status, refused.kind) == (401, "key-refused")
    assert "revoked" in refused.detail


async def test_a_key_expires_also_while_it_is_known(
    authentication: Authentication, keys: WatchedKeys, clock: Clock
) -> None:
    text = keys.inner.add("physics", Scope.READ, seconds=2.0)
    await ask(authentication, text)
    clock.now += 2.5
    assert "expired" in (await refusal(authentication, text)).detail
    assert keys.look_ups == 1


async def test_many_requests_of_one_key_share_a_look_up(
    authentication: Authentication, keys: WatchedKeys
) -> None:
    text = keys.inner.add("physics", Scope.READ)
    keys.open_door.clear()
    asked = [asyncio.create_task(ask(authentication, text)) for _ in range(50)]
    while not keys.look_ups:
        await asyncio.sleep(0)
    asked[0].cancel()
    keys.open_door.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] + [Caller] * 49
    assert keys.look_ups == 1


async def test_known_keys_go_on_while_the_database_is_away_and_others_wait(
    authentication: Authentication, keys: WatchedKeys, clock: Clock
) -> None:
    known, other = (keys.inner.add("physics", Scope.READ) for _ in range(2))
    await ask(authentication, known)
    keys.away = True
    clock.now += LIFE_SECONDS
    for _ in range(5):
        assert (await ask(authentication, known)).tenant == "physics"
    assert keys.look_ups == 2
    with pytest.raises(StoreUnavailable):
        await ask(authentication, other)
    clock.now += RETRY_SECONDS
    await ask(authentication, known)
    assert keys.look_ups == 4
    clock.now += STALE_SECONDS
    with pytest.raises(StoreUnavailable):
        await ask(authentication, known)
    keys.away = False
    assert (await ask(authentication, known)).tenant == "physics"


async def test_a_look_up_has_a_time_limit(keys: WatchedKeys) -> None:
    authentication = Authentication(keys, deadline_seconds=0.01)
    keys.open_door.clear()
    with pytest.raises(StoreUnavailable):
        await ask(authentication, make_key().text)


async def test_only_so_many_keys_wait_to_be_looked_up(
    authentication: Authentication, keys: WatchedKeys
) -> None:
    keys.open_door.clear()
    asked = [
        asyncio.create_task(ask(authentication, make_key().text, f"192.0.2.{number % 250}"))
        for number in range(MOST_WAITING)
    ]
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="too many"):
        await ask(authentication, make_key().text)
    assert keys.look_ups <= 2
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    keys.open_door.set()


async def test_a_wrong_secret_with_a_right_id_is_refused(
    authentication: Authentication, keys: WatchedKeys
) -> None:
    text = keys.inner.add("physics", Scope.READ)
    key_id = text[7:19]
    other = make_key()
    keys.inner.rows[other.key_id] = keys.inner.rows[key_id]
    assert "not known" in (await refusal(authentication, other.text)).detail
    assert (await ask(authentication, text)).tenant == "physics"


async def test_an_address_that_guesses_is_stopped_and_others_are_not(
    authentication: Authentication, keys: WatchedKeys, clock: Clock
) -> None:
    good, fresh = (keys.inner.add("physics", Scope.READ) for _ in range(2))
    await ask(authentication, good)
    kinds = [(await refusal(authentication, make_key().text)).kind for _ in range(30)]
    assert kinds == ["key-refused"] * FAILURES_AT_ONCE + ["too-many-refusals"] * 10
    looked_up = keys.look_ups
    stopped = await refusal(authentication, fresh)
    assert (stopped.status, int(stopped.headers["retry-after"])) == (429, 2)
    assert keys.look_ups == looked_up
    clock.now += LIFE_SECONDS  # longer than it takes to get one more failure
    assert (await ask(authentication, good)).tenant == "physics"
    assert (await ask(authentication, fresh, "192.0.2.2")).tenant == "physics"
    assert (await ask(authentication, fresh)).tenant == "physics"


async def test_what_is_no_key_costs_a_failure_and_no_look_up(
    authentication: Authentication, keys: WatchedKeys
) -> None:
    text = keys.inner.add("physics", Scope.READ)
    mistyped = await refusal(authentication, text[:-1] + ("0" if text[-1] != "0" else "1"))
    assert "mistyped" in mistyped.detail
    for _ in range(FAILURES_AT_ONCE - 1):
        assert (await refusal(authentication, "hunter2")).kind == "key-refused"
    assert (await refusal(authentication, "hunter2")).kind == "too-many-refusals"
    assert keys.look_ups == 0


async def test_no_key_is_logged(authentication: Authentication, keys: WatchedKeys) -> None:
    text = keys.inner.add("physics", Scope.READ)
    keys.inner.revoke(text)
    with structlog.testing.capture_logs() as lines:
        await refusal(authentication, text)
        await refusal(authentication, text[:-1])
    assert [line["key_id"] for line in lines] == [text[7:19], None]
    assert text[20:60] not in json.dumps(lines)
    assert {line["client"] for line in lines} == {"192.0.2.1"}


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Basic dXNlcjpwYXNz"}, {"Authorization": "ketlog_abc"}]
)
async def test_without_a_key_nothing_is_told(header: dict[str, str]) -> None:
    async with guarded_api(MemoryKeys()) as api:
        answer = await api.http.get(f"/tasks/{UNKNOWN_TASK}", headers=header)
        document = problem(answer, 401)
        assert document["type"].endswith(":key-required")
        assert answer.headers["www-authenticate"] == 'Bearer realm="ketlog"'
        assert "ketlog_" in document["detail"]


async def test_the_word_bearer_is_read_in_any_case() -> None:
    keys = MemoryKeys()
    text = keys.add("physics", Scope.READ)
    async with guarded_api(keys) as api:
        for word in ("Bearer", "bearer", "BEARER"):
            answer = await api.http.get(
                f"/tasks/{UNKNOWN_TASK}", headers={"Authorization": f"{word} {text}"}
            )
            assert answer.status_code == 404


async def test_a_refused_key_is_said_to_be_so() -> None:
    async with guarded_api(MemoryKeys()) as api:
        answer = await api.submit({"circuit": "x"}, **bearer(make_key().text))
        assert problem(answer, 401)["type"].endswith(":key-refused")
        assert answer.headers["www-authenticate"].endswith('error="invalid_token"')
        assert not api.store.streams


async def test_what_the_key_does_not_permit_is_named() -> None:
    keys = MemoryKeys()
    async with guarded_api(keys) as api:
        answer = await api.submit({"circuit": "x"}, **bearer(keys.add("physics", Scope.READ)))
        document = problem(answer, 403)
        assert document["needed_scopes"] == ["submit"]
        assert "scope submit; yours has read" in document["detail"]
        assert answer.headers["www-authenticate"].endswith('scope="submit"')
        assert not api.store.streams


async def test_each_operation_wants_a_key_with_its_scope() -> None:
    keys = MemoryKeys()
    all_tenants = {scope: bearer(keys.add("*", scope)) for scope in Scope}
    async with guarded_api(keys) as api:
        for (method, path), needed in NEEDED.items():
            asked = re.sub(r"{\w+}", UNKNOWN_TASK, path)
            without = await api.http.request(method, asked)
            assert (without.status_code == 401) == (needed is not None), path
            for scope, header in all_tenants.items():
                answer = await api.http.request(method, asked, headers=header)
                permitted = needed is None or scope in needed.scopes
                assert (answer.status_code == 403) == (not permitted), (path, scope)
                assert answer.status_code != 405, f"there is no {method} {path}"
                assert "no-such-path" not in answer.text, f"there is no {path}"


async def test_events_name_the_key_that_caused_them() -> None:
    keys = MemoryKeys()
    text = keys.add("physics", *ALL_OF_A_TENANT)
    async with guarded_api(keys) as api:
        task = await api.accepted({"circuit": "x"}, **bearer(text))
        await api.cancel(task["task_id"], **bearer(text))
        (stream,) = api.store.streams.values()
        actors = [json.loads(stored.metadata)["actor"] for stored in stream]
        assert actors == [f"key:{text[7:19]}"] * 2


async def test_watchers_and_readers_of_the_documentation_need_no_key() -> None:
    async with guarded_api(MemoryKeys()) as api:
        for method, path in NEEDED:
            if NEEDED[method, path] is None:
                assert (await api.http.request(method, path)).status_code in {200, 307}


async def test_the_metrics_are_for_the_operator() -> None:
    keys = MemoryKeys()
    async with guarded_api(keys) as api:
        assert (await api.http.get("/metrics")).status_code == 401
        own = await api.http.get("/metrics", headers=bearer(keys.add("physics", Scope.ADMIN)))
        assert "all tenants" in problem(own, 403)["detail"]
        answer = await api.http.get("/metrics", headers=bearer(keys.add("*", Scope.ADMIN)))
        assert answer.status_code == 200


async def test_a_large_body_without_a_key_is_read_before_the_answer() -> None:
    async with guarded_api(MemoryKeys()) as api:
        answer = await api.submit({"circuit": "x" * 500_000})
        problem(answer, 401)


async def test_a_page_may_ask_whether_it_may_send_a_key() -> None:
    async with guarded_api(MemoryKeys()) as api:
        answer = await api.http.options(
            "/tasks",
            headers={
                "Origin": "https://lab.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
            },
        )
        assert answer.status_code == 200
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()


async def test_a_tenant_that_asks_too_often_is_told_so_whatever_its_keys() -> None:
    keys = MemoryKeys()
    first, second, other = (
        bearer(keys.add(tenant, Scope.READ)) for tenant in ("physics", "physics", "chemistry")
    )
    limits = {"tenant_rate_limit_per_second": 0.01, "tenant_rate_limit_burst": 2}
    async with guarded_api(keys, **limits) as api:

        async def look(header: dict[str, str]) -> httpx2.Response:
            return await api.http.get(f"/tasks/{UNKNOWN_TASK}", headers=header)

        answers = [await look(first), await look(second), await look(first), await look(other)]
        assert [answer.status_code for answer in answers] == [404, 404, 429, 404]
        document = problem(answers[2], 429)
        assert document["violated-policies"] == ["tenant"]
        assert answers[2].headers["ratelimit-policy"] == '"tenant";q=2;w=200'
        assert answers[3].headers["ratelimit"].startswith('"tenant";r=1;')


async def test_a_tenant_may_have_limits_of_its_own() -> None:
    keys = MemoryKeys()
    keys.limits["small"] = TenantLimits(per_second=0.01, burst=1)
    keys.limits["free"] = TenantLimits(per_second=0)
    small, free = (bearer(keys.add(tenant, Scope.READ)) for tenant in ("small", "free"))
    async with guarded_api(keys, tenant_rate_limit_per_second=0.01) as api:
        path = f"/tasks/{UNKNOWN_TASK}"
        codes = [(await api.http.get(path, headers=small)).status_code for _ in range(2)]
        assert codes == [404, 429]
        for _ in range(5):
            answer = await api.http.get(path, headers=free)
            assert answer.status_code == 404
            assert "ratelimit" not in answer.headers


async def test_both_limits_are_said_where_both_hold() -> None:
    keys = MemoryKeys()
    limits = {"tenant_rate_limit_per_second": 5, "rate_limit_per_second": 3}
    async with guarded_api(keys, **limits) as api:
        answer = await api.http.get(
            f"/tasks/{UNKNOWN_TASK}", headers=bearer(keys.add("physics", Scope.READ))
        )
        policies = answer.headers.get_list("ratelimit-policy")
        assert sorted(policies) == ['"client";q=3;w=1', '"tenant";q=5;w=1']


async def test_the_document_says_which_key_each_operation_needs() -> None:
    async with guarded_api(MemoryKeys()) as api:
        document = (await api.http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needed = needed_for(method.upper(), path)
            scopes = [] if needed is None else sorted(needed.scopes)
            assert operation["security"] == [{"key": [scope]} for scope in scopes]
            assert {"401", "403"} <= set(operation["responses"]) or needed is None


async def test_the_document_speaks_of_keys_only_where_they_are_needed() -> None:
    async with in_process_api() as api:
        document = (await api.http.get("/openapi.json")).json()
    assert "securitySchemes" not in document["components"]
    assert "security" not in document["paths"]["/tasks"]["post"]


async def test_an_answer_that_goes_on_can_ask_whether_its_key_is_still_good(
    authentication: Authentication, keys: WatchedKeys, clock: Clock
) -> None:
    text = keys.inner.add("physics", Scope.READ)
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        permitted = still_permitted(scope)
        assert permitted is not None
        seen.append(await permitted())
        keys.away = True
        clock.now += LIFE_SECONDS + STALE_SECONDS
        seen.append(await permitted())
        keys.away = False
        seen.append(await permitted())
        keys.inner.revoke(text)
        seen.append(await permitted())
        clock.now += LIFE_SECONDS
        seen.append(await permitted())

    route = Route("/tasks/{task_id}", _Plain(app), methods=["GET"])
    close_to_strangers([route], authentication, TenantQuota(0, 0))
    header = (b"authorization", f"Bearer {text}".encode())
    scope = {"type": "http", "method": "GET", "headers": [header], "client": ("192.0.2.1", 1)}

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await route.app(scope, receive, send)

    await Correlation(inner)(scope, _nothing, _nothing)
    assert seen == [True, True, True, True, False]


def test_where_nobody_needs_a_key_every_answer_goes_on() -> None:
    assert still_permitted({"type": "http"}) is None


async def test_an_operation_that_is_not_in_the_table_is_not_served() -> None:
    async def endpoint(_request: Any) -> Any:
        raise AssertionError("never called")

    with pytest.raises(LookupError, match=r"PUT /tasks.*permissions\.py"):
        close_to_strangers(
            [Route("/tasks", endpoint, methods=["PUT"])],
            Authentication(MemoryKeys(), deadline_seconds=1.0),
            TenantQuota(0, 0),
        )
