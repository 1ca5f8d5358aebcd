"""One client may only ask so often."""

from typing import Any

import pytest

from service.api.rate_limit import client_of
from tests.support.api import in_process_api, problem

LIMITED: dict[str, Any] = {"rate_limit_per_second": 0.01, "rate_limit_burst": 3}


async def test_a_client_that_asks_too_often_is_told_when_to_come_back() -> None:
    async with in_process_api(**LIMITED) as api:
        answers = [await api.submit({"circuit": "x"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
    document = problem(answers[3], 429)
    assert document["type"].endswith(":rate-limited")
    assert document["violated-policies"] == ["client"]
    assert 90 <= int(answers[3].headers["retry-after"]) <= 100
    assert len(api.store.streams) == 3


async def test_every_answer_says_what_is_left() -> None:
    async with in_process_api(**LIMITED) as api:
        answers = [
            await api.submit({"circuit": "x"}),
            await api.submit({"circuit": 7}),
            await api.http.get("/nowhere"),
            await api.http.get("/events"),
        ]
    assert [answer.status_code for answer in answers] == [202, 422, 404, 429]
    left = [answer.headers["ratelimit"].split(";t=")[0] for answer in answers]
    assert left == ['"client";r=2', '"client";r=1', '"client";r=0', '"client";r=0']
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"client";q=3;w=300'}


async def test_watchers_are_not_limited() -> None:
    async with in_process_api(**LIMITED) as api:
        for path in ("/health", "/livez", "/readyz", "/metrics") * 2:
            answer = await api.http.get(path)
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


async def test_without_a_burst_a_second_may_come_at_once() -> None:
    async with in_process_api(rate_limit_per_second=2.5) as api:
        answer = await api.http.get("/events")
    assert answer.headers["ratelimit-policy"] == '"client";q=3;w=2'


async def test_without_a_limit_nothing_is_said_of_one() -> None:
    async with in_process_api() as api:
        assert "ratelimit" not in (await api.http.get("/events")).headers


@pytest.mark.parametrize(
    ("client", "key"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("2001:db8:1:2:3::4", 4711), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("not:an:address", 1), "not:an:address"),
        (None, ""),
    ],
)
def test_a_client_is_an_address_or_a_net(client: Any, key: str) -> None:
    assert client_of({"type": "http", "client": client}) == key
