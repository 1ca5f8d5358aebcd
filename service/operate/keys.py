"""Makes, lists and revokes API keys, and sets what single tenants may use.

Only the owner of the database can: `ADMIN_DATABASE_URL`, else `DATABASE_URL`. Every API process
knows of a change within five seconds.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.errors import KetlogError
from domain.keys import (
    EVERY_TENANT,
    PREFIX,
    FoundKey,
    InvalidKey,
    Scope,
    TenantLimits,
    check_scopes,
    check_tenant,
    key_id_of,
    make_key,
)
from infrastructure.postgres.keys import KeyRing

COMMANDS: Final = frozenset({"keys", "key", "revoke", "limits"})
UNNAMED: Final = "-"
"""How the tenant without a name is written: the one of all tasks where keys were not needed."""
AS_SET: Final = "default"
DAY_SECONDS: Final = 86_400.0
TABLE_CHARACTERS: Final = 140
_TIME = "%Y-%m-%d %H:%M"
Say: TypeAlias = Callable[[str], None]


class Refused(KetlogError):
    """What the operator asked for cannot be done; says what can."""


def add_parsers(commands: Any) -> None:
    """Add the commands of this module to a parser's."""
    listing = commands.add_parser("keys", help="list the API keys")
    listing.add_argument("--json", action="store_true", help="for programs")
    one = commands.add_parser("key", help="make an API key; it is shown this once")
    one.add_argument(
        "tenant",
        metavar="TENANT",
        help="whose tasks it is for; * for all tenants, - for the tasks of no tenant",
    )
    one.add_argument("--scopes", default="submit,read", help=f"of {', '.join(Scope)}")
    one.add_argument("--name", default="", help="what it is for, shown in the list")
    one.add_argument("--days", type=float, help="how long it holds; for ever without it")
    end = commands.add_parser("revoke", help="end an API key")
    end.add_argument("key", metavar="KEY", help="its id, or the whole key")
    quota = commands.add_parser("limits", help="show or set what one tenant may use")
    quota.add_argument("tenant", metavar="TENANT")
    for name, purpose in (
        ("rate", "requests a second, 0 for any number"),
        ("burst", "requests at once"),
        ("backlog", "tasks that may wait to be run, 0 for any number"),
    ):
        quota.add_argument(f"--{name}", help=f"{purpose}; `{AS_SET}` for what the settings say")


async def run(options: argparse.Namespace, ring: KeyRing, say: Say, note: Say) -> None:
    """Run one command.

    Args:
        say: takes what was asked for.
        note: takes what is said about it.

    Raises:
        Refused, InvalidKey: it cannot be done.
    """
    if options.command == "key":
        await _make(options, ring, say, note)
    elif options.command == "revoke":
        await _revoke(options.key.strip(), ring, say)
    elif options.command == "limits":
        await _limit(options, ring, say)
    else:
        found = await ring.list()
        if options.json:
            say(json.dumps([as_json(key) for key in found], indent=1))
        elif found:
            show_table(Console(highlight=False), found)
        else:
            say("There are no keys. `make key TENANT=… SCOPES=submit,read NAME=…` makes one.")


def as_json(found: FoundKey) -> dict[str, Any]:
    """Return what is known of a key."""
    key = found.key
    limits = key.limits
    return {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "state": _state(found),
        "created_at": key.created_at.isoformat(),
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
        "limits": {
            "rate": limits.per_second,
            "burst": limits.burst,
            "backlog": limits.backlog,
        },
    }


def show_table(console: Console, keys: Sequence[FoundKey]) -> None:
    """Print the keys for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("key", "tenant", "name", "scopes", "made (UTC)", "state"):
        table.add_column(title, overflow="fold")
    for found in keys:
        key = found.key
        state = _state(found)
        if state == "revoked" and key.revoked_at is not None:
            state += f" {key.revoked_at.strftime(_TIME)}"
        elif key.expires_at is not None:
            state += f", expires {key.expires_at.strftime(_TIME)}" if state == "good" else ""
        cells = (
            key.key_id,
            key.tenant or UNNAMED,
            key.name,
            ", ".join(sorted(key.scopes)),
            key.created_at.strftime(_TIME),
            state,
        )
        table.add_row(*map(escape, cells))
    console.width = max(console.width, TABLE_CHARACTERS)
    console.print(table)


async def _make(options: argparse.Namespace, ring: KeyRing, say: Say, note: Say) -> None:
    tenant = _tenant(options.tenant)
    scopes = check_scopes(tenant, _scopes(options.scopes))
    if options.days is not None and not options.days > 0:
        raise Refused("A key can only expire later: give DAYS above 0, or none.")
    seconds = None if options.days is None else options.days * DAY_SECONDS
    key = make_key()
    expires_at = await ring.add(key, tenant, options.name, scopes, seconds)
    until = "for ever" if expires_at is None else f"until {expires_at.strftime(_TIME)} UTC"
    note(
        f"Key {key.key_id} of {_name(tenant)} ({', '.join(sorted(scopes))}) holds {until}. It is "
        "shown this once, nobody can read it again:"
    )
    say(key.text)


async def _revoke(wanted: str, ring: KeyRing, say: Say) -> None:
    key_id = wanted
    if wanted.startswith(PREFIX):
        try:
            key_id = key_id_of(wanted.encode())
        except InvalidKey as error:
            raise Refused(f"This {error}: give its id; `make keys` lists them.") from None
    ended = await ring.revoke(key_id)
    if ended is None:
        raise Refused(f"There is no key {key_id}: `make keys` lists those that there are.")
    say(
        f"Key {key_id} of {_name(ended['tenant'])} ({ended['name'] or 'without a name'}) is "
        f"revoked since {ended['revoked_at'].strftime(_TIME)} UTC; every API process refuses it "
        "within five seconds."
    )


async def _limit(options: argparse.Namespace, ring: KeyRing, say: Say) -> None:
    tenant = _tenant(options.tenant)
    limits = await ring.limits(tenant)
    changed = replace(
        limits,
        per_second=_number(options.rate, "RATE", limits.per_second, float, 0),
        burst=_number(options.burst, "BURST", limits.burst, int, 1),
        backlog=_number(options.backlog, "BACKLOG", limits.backlog, int, 0),
    )
    if changed != limits:
        await ring.limit(tenant, changed)
    say(_limits_in_words(tenant, changed))


def _limits_in_words(tenant: str, limits: TenantLimits) -> str:
    def shown(value: float | None, unlimited: str) -> str:
        if value is None:
            return "what the settings say"
        return f"{value:g}" if value else unlimited

    return (
        f"Requests a second of {_name(tenant)}: {shown(limits.per_second, 'any number')}; at once: "
        f"{shown(limits.burst, 'any number')}; tasks that may wait: "
        f"{shown(limits.backlog, 'any number')}."
    )


def _number(
    text: str | None,
    name: str,
    present: float | None,
    kind: type[float] | type[int],
    least: int,
) -> Any:
    if text is None:
        return present
    if text == AS_SET:
        return None
    try:
        number = kind(text)
    except ValueError:
        number = kind(-1)
    if not least <= number < 2**31:
        raise Refused(f"{name}={text} must be a number from {least} on, or `{AS_SET}`.")
    return number


def _tenant(text: str) -> str:
    return "" if text.strip() == UNNAMED else check_tenant(_given(text.strip()))


def _given(text: str) -> str:
    if not text:
        raise Refused(f"Name the tenant, or give {EVERY_TENANT} for all or {UNNAMED} for none.")
    return text


def _scopes(text: str) -> frozenset[Scope]:
    names = [name for name in text.replace(",", " ").split() if name]
    unknown = sorted(set(names) - set(Scope))
    if unknown:
        raise Refused(f"{', '.join(unknown)}: the scopes are {', '.join(Scope)}.")
    return frozenset(map(Scope, names))


def _state(found: FoundKey) -> str:
    if found.key.revoked_at is not None:
        return "revoked"
    return "expired" if found.seconds_left is not None and found.seconds_left <= 0 else "good"


def _name(tenant: str) -> str:
    if tenant == EVERY_TENANT:
        return "all tenants"
    return f"tenant {tenant}" if tenant else "the tenant without a name"
