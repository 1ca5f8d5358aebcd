"""Who makes a request, by the key that it shows: `Authorization: Bearer ketlog_…`.

A key that was looked up is known for `LIFE_SECONDS`, so nothing is asked of the database for most
requests, and a key that was revoked is refused no later than that. While the database is away, keys
known from before go on for `STALE_SECONDS`; any other gets 503.

A key that is refused counts against the address it came from. When that has used up its failures,
it is answered 429 until there is one more; keys that are known and good go on from there too. No
key is ever logged, nor kept: what is compared are digests, in a time that tells nothing.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from domain.errors import StoreUnavailable
from domain.keys import ID_PLACE, FoundKey, InvalidKey, Keys, is_key, key_id_of
from service.api.caller import Caller
from service.api.problems import FieldProblem, Problem
from service.api.token_buckets import TokenBuckets

LIFE_SECONDS: Final = 5.0
STALE_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 1.0
"""While the database is away, it is asked for a known key no more often than that."""
MOST_KEYS: Final = 10_000
LOOK_UPS: Final = 2
"""So many keys are looked up at a time: the pool is there for tasks."""
MOST_WAITING: Final = 200
FAILURES_PER_SECOND: Final = 0.5
FAILURES_AT_ONCE: Final = 20
REALM: Final = 'Bearer realm="ketlog"'

_SCHEME = b"bearer "
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """A key that was looked up; times in seconds of the monotonic clock."""

    key_id: str
    digest: bytes
    caller: Caller
    revoked: bool
    expires_at: float
    checked_at: float
    good_until: float


class Authentication:
    """Finds out on whose behalf requests are made.

    Args:
        keys: where keys are looked up.
        deadline_seconds: longest wait for a look-up.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        deadline_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._deadline = deadline_seconds
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._looking: dict[str, asyncio.Task[_Known | None]] = {}
        self._turn = asyncio.Semaphore(LOOK_UPS)
        self._failures = TokenBuckets(FAILURES_PER_SECOND, FAILURES_AT_ONCE)

    async def caller(self, headers: Mapping[bytes, bytes], client: str) -> Caller:
        """Return who makes a request.

        Args:
            headers: of the request, by lower-case name.
            client: the address it came from.

        Raises:
            Problem: 401, there is no key or it is refused; 429, too many were refused before.
            StoreUnavailable: the key is not known and cannot be looked up now.
        """
        text = _bearer(headers)
        known = self._known.get(text[ID_PLACE])
        if known is None or known.good_until <= self._clock() or not is_key(text, known.digest):
            known = await self._examine(text, client)
        if known.revoked:
            raise self._refused(client, "The key was revoked.", known.key_id)
        if known.expires_at <= self._clock():
            raise self._refused(client, "The key has expired.", known.key_id)
        return known.caller

    async def _examine(self, text: bytes, client: str) -> _Known:
        """Return what is known of a key that was not seen lately."""
        try:
            key_id = key_id_of(text)
        except InvalidKey as error:
            raise self._refused(client, f"The key {error}.") from None
        known = self._known.get(text[ID_PLACE])
        if known is None:
            self._check_failures(client)
        if known is None or known.good_until <= self._clock():
            known = await self._look_up(key_id)
        if known is None or not is_key(text, known.digest):
            raise self._refused(client, "The key is not known here.", key_id)
        return known

    async def _look_up(self, key_id: str) -> _Known | None:
        """Ask the database, once for all requests that want to know this at the same time."""
        looking = self._looking.get(key_id)
        if looking is None:
            if len(self._looking) >= MOST_WAITING:
                raise StoreUnavailable("too many keys wait to be looked up")
            looking = asyncio.create_task(self._find(key_id), name="look up a key")
            self._looking[key_id] = looking
            looking.add_done_callback(lambda done: self._looked_up(key_id, done))
        return await asyncio.shield(looking)

    def _looked_up(self, key_id: str, done: "asyncio.Task[_Known | None]") -> None:
        del self._looking[key_id]
        if not done.cancelled():
            done.exception()  # whoever waits gets it; it is no fault when nobody does any more

    async def _find(self, key_id: str) -> _Known | None:
        name = key_id.encode("ascii")
        before = self._known.get(name)
        try:
            async with asyncio.timeout(self._deadline), self._turn:
                found = await self._keys.find(key_id)
        except (StoreUnavailable, TimeoutError) as error:
            now = self._clock()
            if before is None or now >= before.checked_at + STALE_SECONDS:
                raise StoreUnavailable("the key could not be looked up") from error
            known = replace(before, good_until=now + RETRY_SECONDS)
        else:
            if found is None:
                self._known.pop(name, None)
                return None
            known = _known(found, self._clock())
        self._known[name] = known
        self._known.move_to_end(name)
        if len(self._known) > MOST_KEYS:
            self._known.popitem(last=False)
        return known

    def _check_failures(self, client: str) -> None:
        """Look nothing up for an address that has used up its failures; raises `Problem` (429)."""
        wait_seconds = self._failures.wait(client, self._clock())
        if wait_seconds > 0:
            raise _too_many_failures(wait_seconds)

    def _refused(self, client: str, reason: str, key_id: str | None = None) -> Problem:
        """Count a failure; returns the answer to it."""
        quota = self._failures.take(client, self._clock())
        if quota.wait_seconds > 0:
            return _too_many_failures(quota.wait_seconds)
        _log.warning("Key refused", reason=reason, key_id=key_id, client=client)
        return Problem(
            401,
            "key-refused",
            "Key refused",
            f"{reason} Whoever runs this service can make you another one.",
            errors=[FieldProblem("Authorization", "must be Bearer and a valid key")],
            headers={"www-authenticate": f'{REALM}, error="invalid_token"'},
        )


def _bearer(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the key that a request shows; raises `Problem` (401) where it shows none."""
    given = headers.get(b"authorization", b"")
    if given[: len(_SCHEME)].lower() != _SCHEME:
        raise Problem(
            401,
            "key-required",
            "Key required",
            "Send your key with the header Authorization: Bearer ketlog_…; whoever runs this "
            "service can make you one.",
            errors=[FieldProblem("Authorization", "must be Bearer and a key")],
            headers={"www-authenticate": REALM},
        )
    return given[len(_SCHEME) :].strip()


def _known(found: FoundKey, now: float) -> _Known:
    key, seconds_left = found
    return _Known(
        key_id=key.key_id,
        digest=key.digest,
        caller=Caller(key.tenant, f"key:{key.key_id}", key.scopes, key.limits),
        revoked=key.revoked_at is not None,
        expires_at=math.inf if seconds_left is None else now + seconds_left,
        checked_at=now,
        good_until=now + LIFE_SECONDS,
    )


def _too_many_failures(wait_seconds: float) -> Problem:
    seconds = math.ceil(wait_seconds)
    return Problem(
        429,
        "too-many-refusals",
        "Too many keys were refused",
        f"Too many requests from your address came with a key that is refused. Correct the key "
        f"and send it again in {seconds} s.",
        headers={"retry-after": str(seconds)},
    )
