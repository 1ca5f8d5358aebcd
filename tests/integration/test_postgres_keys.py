"""Keys in PostgreSQL: made, listed and revoked by the owner, looked up by the processes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import asyncpg
import psycopg
import pytest

from domain.errors import StoreUnavailable
from domain.keys import Scope, TenantLimits, is_key, key_id_of
from infrastructure.postgres import migrate
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.keys import PostgresKeys, key_ring
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.statements import statement
from service.operate.__main__ import main
from tests.support import tasks
from tests.support.api import problem
from tests.support.tenants import tenants
from tests.support.waiting import eventually

Operate = Callable[..., tuple[str, str]]


@pytest.fixture
def operate(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Operate:
    """Runs the operator's program; returns what it says on either output."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    def run(*command: str, code: int = 0) -> tuple[str, str]:
        assert main(command) == code, capsys.readouterr()
        said = capsys.readouterr()
        return said.out, said.err

    return run


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, size=2, application_name="test")
    yield made
    await made.close()


async def looked_up(
    url: str, key_id: str
) -> tuple[str, set[str], float | None, bool, TenantLimits]:
    database = Database(url, size=2, application_name="test")
    found = await PostgresKeys(database).find(key_id)
    await database.close()
    assert found is not None
    key = found.key
    return key.tenant, set(key.scopes), found.seconds_left, key.revoked_at is not None, key.limits


def test_a_key_is_made_listed_and_revoked(operate: Operate, database_url: str) -> None:
    text, note = operate("key", "physics", "--name=nightly runs", "--days", "2")
    text = text.strip()
    key_id = key_id_of(text.encode())
    assert f"Key {key_id} of tenant physics (read, submit) holds until 2" in note
    assert text not in note

    tenant, scopes, left, revoked, _ = asyncio.run(looked_up(database_url, key_id))
    assert (tenant, scopes, revoked) == ("physics", {Scope.SUBMIT, Scope.READ}, False)
    assert left is not None
    assert 2 * 86_400 - 60 < left <= 2 * 86_400

    (listed,) = json.loads(operate("keys", "--json")[0])
    assert (listed["key_id"], listed["name"], listed["state"]) == (key_id, "nightly runs", "good")
    assert text[20:] not in json.dumps(listed)

    assert "revoked since" in operate("revoke", key_id)[0]
    assert asyncio.run(looked_up(database_url, key_id))[3]
    table = operate("keys")[0]
    assert "nightly runs" in table
    assert "revoked 2" in table


def test_only_the_digest_is_stored(operate: Operate, database_url: str) -> None:
    text = operate("key", "physics")[0].strip()
    with psycopg.connect(database_url) as connection:
        (row,) = connection.execute("SELECT digest, to_jsonb(api_keys)::text FROM api_keys")
    assert is_key(text.encode(), row[0])
    assert text[20:63] not in row[1]


def test_a_key_that_somebody_has_lost_can_be_revoked_by_itself(operate: Operate) -> None:
    text = operate("key", "physics")[0].strip()
    assert "is revoked since" in operate("revoke", text)[0]
    assert "give its id" in operate("revoke", text[:-1], code=1)[1]
    assert "There is no key" in operate("revoke", "aaaaaaaaaaaa", code=1)[1]


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["key", "Physics!"], "cannot be a tenant's name"),
        (["key", ""], "Name the tenant"),
        (["key", "physics", "--scopes", "submit,fly"], "fly: the scopes are submit, read"),
        (["key", "physics", "--scopes", ""], "needs a scope"),
        (["key", "*", "--scopes", "submit,read"], "cannot submit"),
        (["key", "physics", "--days", "0"], "DAYS above 0"),
        (["limits", "physics", "--rate", "-1"], "RATE=-1 must be a number from 0"),
        (["limits", "physics", "--burst", "many"], "BURST=many must be a number from 1"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    operate: Operate, command: list[str], complaint: str
) -> None:
    assert complaint in operate(*command, code=1)[1]
    assert "There are no keys" in operate("keys")[0]


def test_the_operator_and_the_tenant_without_a_name_have_keys_too(operate: Operate) -> None:
    assert "of all tenants (admin, audit)" in operate("key", "*", "--scopes", "audit,admin")[1]
    assert "of the tenant without a name (read)" in operate("key", "-", "--scopes=read")[1]
    assert [key["tenant"] for key in json.loads(operate("keys", "--json")[0])] == ["", "*"]


def test_a_tenant_gets_limits_of_its_own_and_loses_them(
    operate: Operate, database_url: str
) -> None:
    key_id = key_id_of(operate("key", "physics")[0].strip().encode())
    assert "what the settings say; at once" in operate("limits", "physics")[0]
    operate("limits", "physics", "--rate", "2.5", "--backlog", "0")
    assert "at once: 7;" in operate("limits", "physics", "--burst", "7")[0]
    limits = asyncio.run(looked_up(database_url, key_id))[4]
    assert limits == TenantLimits(2.5, 7, 0)
    said = operate("limits", "physics", "--rate", "default", "--burst", "default")[0]
    assert said.endswith("tasks that may wait: any number.\n")
    assert asyncio.run(looked_up(database_url, key_id))[4] == TenantLimits(None, None, 0)


async def test_a_process_looks_keys_up_and_makes_none(database: Database) -> None:
    assert await PostgresKeys(database).find("aaaaaaaaaaaa") is None
    for refused in (
        "INSERT INTO api_keys (key_id, digest, tenant, name, scopes) "
        "VALUES ('aaaaaaaaaaaa', sha256('x'), 'physics', '', ARRAY['admin'])",
        "UPDATE api_keys SET revoked_at = NULL",
        "DELETE FROM api_keys",
        "INSERT INTO tenant_limits (tenant) VALUES ('physics')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.connection() as connection:
                await connection.execute(refused)


async def test_the_waiting_tasks_of_each_tenant_are_counted_up_to_its_limit(
    database: Database,
) -> None:
    log, outbox = PostgresEventLog(database), PostgresOutbox(database)
    for tenant in ("physics", "physics", "chemistry", "", "physics"):
        append = tasks.submission(tenant=tenant)
        await tasks.put(log, append)
    await tasks.put(log, tasks.claim(await tasks.load(log, append.task_id)))
    asked = {"physics": 10, "chemistry": 10, "nobody": 10, "": 10}
    found = await outbox.pending_of(asked)
    assert found == {"physics": 2, "chemistry": 1, "nobody": 0, "": 0}
    assert await outbox.pending_of({"physics": 1}) == {"physics": 1}
    async with database.connection() as connection:
        plan = await connection.fetch(
            "EXPLAIN " + statement("count_pending_of_tenants"), list(asked), list(asked.values())
        )
    assert "outbox_of_tenant" in "\n".join(line for (line,) in plan)


async def test_a_tenant_with_too_many_tasks_that_wait_submits_no_more_and_others_do(
    database_url: str,
) -> None:
    body = {"circuit": "OPENQASM 3; qubit q; measure q;"}
    async with tenants(database_url, max_backlog_per_tenant=8) as world:
        answers = [await world.ask(world.owner, "POST", "/tasks", body) for _ in range(8)]
        accepted = [answer.status_code == 202 for answer in answers]
        # Of the four earlier tasks of the owner three wait, one counts until they are counted.
        assert sum(accepted) in {4, 5}
        assert accepted == sorted(accepted, reverse=True)
        assert problem(answers[-1], 429)["type"].endswith(":tenant-backlog-full")
        retried = await world.ask(world.owner, "POST", f"/tasks/{world.things['task_id'][1]}/retry")
        assert problem(retried, 429)["violated-policies"] == ["backlog"]
        await world.submit(world.stranger, body)
        for answer in answers[:2]:
            task_id = answer.json()["task_id"]
            await world.ask(world.owner, "POST", f"/tasks/{task_id}/cancel")

        async def has_room() -> bool:
            return (await world.ask(world.owner, "POST", "/tasks", body)).status_code == 202

        await eventually(has_room, 10)


async def test_an_owner_that_cannot_be_reached_is_said_to_be_away() -> None:
    with pytest.raises(StoreUnavailable):
        async with key_ring("postgresql://nobody@127.0.0.1:1/none", "test"):
            raise AssertionError("never here")


def test_keys_in_use_are_rolled_back_only_by_force(operate: Operate, database_url: str) -> None:
    text = operate("key", "physics")[0].strip()
    applied = [name for name, there in migrate.list_migrations(database_url) if there]
    for _ in applied[applied.index("0011_keys") + 1 :]:
        migrate.rollback_last(database_url)
    with pytest.raises(psycopg.errors.RaiseException, match="API keys in use"):
        migrate.rollback_last(database_url)
    operate("revoke", text)
    assert migrate.rollback_last(database_url) == "0011_keys"
