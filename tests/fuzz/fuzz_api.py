"""Holds the API against its OpenAPI document, on real processes, with requests made up at random.

    python -m tests.fuzz.fuzz_api --minutes 10 --seed 1

schemathesis makes the requests from the document that the API serves: its examples, the borders of
what it allows, what it does not allow, and chains of operations. All of its checks are on, no
operation is left out, and at the end each must have answered with success at least once. What is
set aside because no schema can express it (`tests/fuzz/hooks.py`) is counted and shown.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg
from prometheus_client.parser import text_string_to_metric_families

from infrastructure.postgres.migrate import apply_migrations
from tests import servers
from tests.fuzz.hooks import SET_ASIDE
from tests.support.client import Client
from tests.support.processes import ROOT, System, system
from tests.support.tasks import BELL
from tests.support.waiting import eventually

AUTHENTICATION = ("off", "keys")
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
CONFIGURATION = "schemathesis.toml"
KNOWN_SHARE = 0.7
SHORT_WAIT_SHARE = 0.95
SHORT_STREAMS = {"STREAM_SECONDS": "0.3"}
"""Settings of an API that is looked at: what goes on for ever takes the time of everything else."""
BRIEFLY = ("--phases", "fuzzing,stateful", "--max-examples", "2")
"""A bounded run: some requests to each operation, however long they take."""
ONCE_MORE = ("--phases", "fuzzing", "--mode", "positive", "--max-examples", "30")
"""A run of those that by chance have not answered with success, say because each task had ended."""
SOON_SEALED = {"SEAL_SECONDS": "0.1"}
"""Settings of its relay."""
SEALED_SECONDS = 20.0
MOST_SECONDS = 4 * 3600.0
MEASURE = "http_server_request_duration_seconds_count"
_IN_A_PATH = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a run.

    Attributes:
        passed: schemathesis found nothing wrong.
        output: what it printed.
        requests: how many it made.
        successes: how often each operation answered with success.
        set_aside: failures that do not count, by what was refused.
    """

    passed: bool
    output: str
    requests: int
    successes: Mapping[str, int]
    set_aside: Mapping[str, int]

    @property
    def unreached(self) -> list[str]:
        """Operations that never answered with success."""
        return [operation for operation, count in self.successes.items() if not count]

    def lines(self) -> Iterator[str]:
        """Say it all."""
        yield self.output
        yield f"{self.requests} requests; answers with success (2xx) of each operation:"
        yield from (f"{count:>8}  {operation}" for operation, count in self.successes.items())
        yield "set aside, because no schema can express it (tests/fuzz/hooks.py):"
        yield from (f"{count:>8}  {kind}" for kind, count in self.set_aside.items())
        yield from (f"{operation} never answered with success" for operation in self.unreached)


@dataclass(frozen=True, slots=True)
class Keys:
    """API keys, where they are needed.

    Attributes:
        everything: with all scopes, of one tenant.
        operator: sees the metrics.
    """

    everything: str = ""
    operator: str = ""


NO_KEYS = Keys()


def fuzz(
    api_url: str,
    folder: Path,
    known: Mapping[str, Sequence[str]],
    *,
    bounds: Sequence[str],
    seed: int,
    keys: Keys = NO_KEYS,
) -> Verdict:
    """Let schemathesis look at an API.

    Args:
        bounds: arguments of schemathesis that say how much is enough.
        folder: for its configuration.
        known: ids that exist, by the name of a path's parameter: to ask for besides made-up ones.
    """
    (folder / CONFIGURATION).write_text(_settings(known))
    before = _answered(api_url, keys.operator)
    runs = [_schemathesis(api_url, folder, seed, keys, bounds)]
    successes = _successes(api_url, keys, before)
    if missed := [operation for operation, count in successes.items() if not count]:
        names = _operations(_document(api_url))
        chosen = [part for each in missed for part in ("--include-operation-id", names[each])]
        runs.append(_schemathesis(api_url, folder, seed, keys, (*ONCE_MORE, *chosen)))
        successes = _successes(api_url, keys, before)
    aside = folder / SET_ASIDE
    return Verdict(
        passed=all(done.returncode == 0 for done in runs),
        output="\n".join(done.stdout for done in runs),
        requests=(_answered(api_url, keys.operator) - before).total(),
        successes=successes,
        set_aside=Counter(aside.read_text().splitlines() if aside.exists() else ()),
    )


def _schemathesis(
    api_url: str, folder: Path, seed: int, keys: Keys, bounds: Sequence[str]
) -> "subprocess.CompletedProcess[str]":
    shown = f"Authorization: Bearer {keys.everything}"
    headers = ["--header", shown] if keys.everything else []
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", folder / CONFIGURATION),
            *("run", "--checks", "all", *bounds, "--seed", str(seed)),
            *("--workers", "1", "--no-color", "--request-timeout", "20"),
            *("--generation-database", "none", "--suppress-health-check", "all"),
            *headers,
            f"{api_url}/openapi.json",
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MOST_SECONDS,
    )


def _successes(api_url: str, keys: Keys, before: Counter[tuple[str, str, str]]) -> dict[str, int]:
    """How often each operation has answered with success since then."""
    successes = dict.fromkeys(_operations(_document(api_url)), 0)
    for (method, path, status), count in (_answered(api_url, keys.operator) - before).items():
        if status.startswith("2") and (operation := f"{method} {path}") in successes:
            successes[operation] += count
    return successes


async def prepare(client: Client) -> dict[str, list[str]]:
    """Make things to ask for; returns their ids, by the names of parameters of paths.

    Every example of a submission is sent, and there are tasks that have completed, failed, been
    cancelled, and that wait: some of each, because a run erases and cancels some.
    """
    completed = [{"circuit": BELL, "seed": 1}, {"circuit": BELL, "memory": True}] * 3
    ended = await client.submit_all([*completed, {"circuit": "no circuit"}])
    far = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    waiting = await client.submit_all([{"circuit": BELL, "not_before": far}] * 7)
    cancelled, *waiting = waiting
    (await client.cancel(cancelled, "not needed")).raise_for_status()
    known = await _examples(client)
    await client.all_ended(ended)

    async def sealed() -> bool:
        answers = [await client.get(f"/tasks/{task_id}/proof") for task_id in ended]
        return all(answer.status_code == httpx2.codes.OK for answer in answers)

    await eventually(sealed, within=SEALED_SECONDS)
    return known | {"task_id": [*ended, cancelled, *waiting]}


async def _examples(client: Client) -> dict[str, list[str]]:
    """Send the examples of all submissions; the ids in the answers that some path asks for."""
    document = (await client.get("/openapi.json")).json()
    names = {name for path in document["paths"] for name in _IN_A_PATH.findall(path)}
    known: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        if _IN_A_PATH.search(path) or "requestBody" not in item.get("post", {}):
            continue
        content = item["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            answer = (await client.post_to(path, example["value"])).raise_for_status()
            for name in names & answer.json().keys():
                known.setdefault(name, []).append(answer.json()[name])
    return known


def _settings(known: Mapping[str, Sequence[str]]) -> str:
    dictionaries = "".join(
        f"[dictionaries.{name}]\nvalues = {json.dumps(list(ids))}\n" for name, ids in known.items()
    )
    parameters = "".join(
        f'"path.{name}" = {{ dictionary = "{name}", probability = {KNOWN_SHARE} }}\n'
        for name in known
    )
    return f"""\
# Beside what schemathesis expects: 410, the 404 of a thing that was there.
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 410, 429, "5xx"]

{dictionaries}
[dictionaries.waits]
values = [0, 1]

[parameters]
"query.wait" = {{ dictionary = "waits", probability = {SHORT_WAIT_SHARE} }}
{parameters}"""


def _document(api_url: str) -> dict[str, Any]:
    document: dict[str, Any] = httpx2.get(f"{api_url}/openapi.json").json()
    return document


def _operations(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the id of each operation, by method and path."""
    return {
        f"{method.upper()} {path}": item[method]["operationId"]
        for path, item in sorted(document["paths"].items())
        for method in sorted(METHODS & item.keys())
    }


def _answered(api_url: str, key: str) -> Counter[tuple[str, str, str]]:
    """How many requests were answered, by method, template of the path and status."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    text = httpx2.get(f"{api_url}/metrics", headers=headers).raise_for_status().text
    return Counter(
        {
            (
                sample.labels["http_request_method"],
                sample.labels["http_route"],
                sample.labels["http_response_status_code"],
            ): int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == MEASURE
        }
    )


@contextmanager
def a_place(folder: Path, **settings: str) -> Iterator[System]:
    """A whole system on servers of its own, ready.

    Args:
        settings: of the API.
    """
    with ExitStack() as stack:
        database = stack.enter_context(servers.postgres())
        broker = stack.enter_context(servers.rabbitmq())
        with psycopg.connect(database.admin_dsn, autocommit=True) as connection:
            connection.execute("CREATE DATABASE fuzz")
        apply_migrations(database.dsn("fuzz"))
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        broker.manage("PUT", "/api/vhosts/fuzz")
        broker.manage("PUT", f"/api/permissions/fuzz/{quote(broker.user, safe='')}", everything)
        made = system(database.dsn("fuzz"), broker.vhost_url("fuzz"), folder)
        ketlog = stack.enter_context(made)
        ketlog.api(**(SHORT_STREAMS | settings))
        ketlog.relay(**SOON_SEALED)
        ketlog.worker()
        ketlog.wait_ready()
        yield ketlog


def made_keys(ketlog: System) -> Keys:
    """Make keys as an operator does."""

    def make(tenant: str, scopes: str) -> str:
        done = subprocess.run(
            [*(sys.executable, "-m", "service.operate", "key"), f"--scopes={scopes}", "--", tenant],
            check=True,
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": ketlog.database_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return done.stdout.strip()

    return Keys(make("fuzz", "submit,read,audit,admin"), make("*", "admin"))


async def _prepared(api_url: str, key: str) -> dict[str, list[str]]:
    async with Client(api_url, key=key) as client:
        return await prepare(client)


def _run(seconds: int, seed: int, auth: str) -> bool:
    """Look at one system; tells whether all was well."""
    say = sys.stdout.write
    say(f"--- AUTH={auth}\n")
    with (
        tempfile.TemporaryDirectory(prefix="ketlog-fuzz-") as folder,
        a_place(Path(folder), AUTH=auth) as ketlog,
    ):
        keys = made_keys(ketlog) if auth == "keys" else NO_KEYS
        known = asyncio.run(_prepared(ketlog.api_url, keys.everything))
        bounds = ("--max-time", str(seconds))
        verdict = fuzz(ketlog.api_url, Path(folder), known, bounds=bounds, seed=seed, keys=keys)
        for line in verdict.lines():
            say(f"{line}\n")
        ended_well = True
        for process in ketlog.processes.values():
            if process.stop() != 0:
                ended_well = False
                say(f"{process.name} did not end well:\n{process.log()[-4000:]}\n")
    return verdict.passed and not verdict.unreached and ended_well


def main() -> int:
    """Run for the time that was asked for, half of it with keys; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seconds = max(1, int(options.minutes * 60 / len(AUTHENTICATION)))
    passed = [_run(seconds, options.seed, auth) for auth in AUTHENTICATION]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
