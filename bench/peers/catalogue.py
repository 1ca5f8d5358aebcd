"""The compared systems: what starts them and where their results are.

Read by the benchmark and by the processes in `.venv-peers`, so it needs no library.
"""

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SYSTEMS = "bench.peers.systems"


@dataclass(frozen=True, slots=True)
class Peer:
    """One compared system.

    Attributes:
        name: as in `--systems`.
        title: for the table.
        package: whose version is shown.
        system: module and class of its client, below `bench.peers.systems`.
        installs: commands that make its tables, in `.venv-peers/bin`.
        worker: the command of a worker with one circuit at a time, in `.venv-peers/bin`.
        completed: SQL for the number of tasks with a result.
        result: SQL for the result of one task, whose number is the parameter.
        results: SQL for the number and the result of all tasks.
        read: makes counts from a result.
        stored: SQL for the number of results that were stored, where each store is a row.
        count_stores: SQL that makes each store a row, for a table that is overwritten.
        keyed_by_text: whether `result` takes the number as text.
        queue: its queue in RabbitMQ; empty for one that needs no broker.
        open: SQL for the number of its tasks that are not done, where PostgreSQL has the queue.
    """

    name: str
    title: str
    package: str
    system: str
    installs: Sequence[Sequence[str]]
    worker: Sequence[str]
    completed: str
    result: str
    results: str
    read: Callable[[Any], Mapping[str, int]]
    stored: str
    count_stores: str = ""
    keyed_by_text: bool = False
    queue: str = ""
    open: str = ""


_COMPLETED = "SELECT count(DISTINCT number) FROM results"
_RESULT = "SELECT counts::text FROM results WHERE number = $1"
_RESULTS = "SELECT number, counts::text FROM results"
_STORED = "SELECT count(*) FROM results"

_STORES = """
    CREATE TABLE stores (at timestamptz DEFAULT now());
    CREATE FUNCTION count_store() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO stores DEFAULT VALUES; RETURN NULL; END';
    CREATE TRIGGER count_store AFTER INSERT OR UPDATE ON {table}
        FOR EACH ROW WHEN ({finished}) EXECUTE FUNCTION count_store();
"""


def _read_celery(result: bytes) -> Mapping[str, int]:
    """Celery keeps its JSON pickled; these bytes were written by this run's own workers."""
    value = pickle.loads(result)
    return dict(json.loads(value) if isinstance(value, str | bytes) else value)


def _read_taskiq(result: bytes) -> Mapping[str, int]:
    return dict(json.loads(result)["return_value"])


PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            name="pgqueuer",
            title="PGQueuer",
            package="pgqueuer",
            system="pgqueuer_system:PgqueuerSystem",
            installs=[("pgq", "install")],
            worker=(
                *("pgq", "run", f"{SYSTEMS}.pgqueuer_system:worker"),
                *("--max-concurrent-tasks", "20"),
            ),
            open="SELECT count(*) FROM pgqueuer",
            completed=_COMPLETED,
            result=_RESULT,
            results=_RESULTS,
            read=json.loads,
            stored=_STORED,
        ),
        Peer(
            name="taskiq",
            title="Taskiq",
            package="taskiq",
            system="taskiq_system:TaskiqSystem",
            installs=[],
            worker=(
                *("taskiq", "worker", f"{SYSTEMS}.taskiq_system:broker", "--workers", "1"),
                *("--max-threadpool-threads", "1", "--log-level", "WARNING"),
            ),
            completed="SELECT count(*) FROM taskiq_results",
            result="SELECT result FROM taskiq_results WHERE task_id = $1",
            results="SELECT task_id::bigint, result FROM taskiq_results",
            read=_read_taskiq,
            stored="SELECT count(*) FROM stores",
            count_stores=_STORES.format(table="taskiq_results", finished="NEW.result IS NOT NULL"),
            keyed_by_text=True,
            queue="taskiq",
        ),
        Peer(
            name="dramatiq",
            title="Dramatiq",
            package="dramatiq",
            system="dramatiq_system:DramatiqSystem",
            installs=[],
            worker=(
                *("dramatiq", f"{SYSTEMS}.dramatiq_system"),
                *("--processes", "1", "--threads", "1"),
            ),
            queue="default",
            completed=_COMPLETED,
            result=_RESULT,
            results=_RESULTS,
            read=json.loads,
            stored=_STORED,
        ),
        Peer(
            name="celery",
            title="Celery",
            package="celery",
            system="celery_system:CelerySystem",
            installs=[],
            worker=(
                *("celery", "--app", f"{SYSTEMS}.celery_system", "worker", "--concurrency", "1"),
                *("--hostname", "{worker}@%h", "--loglevel", "WARNING"),
            ),
            completed="SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'",
            result="SELECT result FROM celery_taskmeta WHERE task_id = $1 AND status = 'SUCCESS'",
            results="SELECT task_id::bigint, result FROM celery_taskmeta WHERE status = 'SUCCESS'",
            read=_read_celery,
            stored="SELECT count(*) FROM stores",
            count_stores=_STORES.format(table="celery_taskmeta", finished="NEW.status = 'SUCCESS'"),
            keyed_by_text=True,
            queue="celery",
        ),
        Peer(
            name="procrastinate",
            title="Procrastinate",
            package="procrastinate",
            system="procrastinate_system:ProcrastinateSystem",
            installs=[
                (
                    "procrastinate",
                    "--app",
                    f"{SYSTEMS}.procrastinate_system.app",
                    "schema",
                    "--apply",
                )
            ],
            worker=(
                *("procrastinate", "--app", f"{SYSTEMS}.procrastinate_system.app", "worker"),
                *("--concurrency", "1"),
            ),
            open="""
                SELECT count(*) FROM procrastinate_jobs
                WHERE task_name = 'bell' AND status NOT IN ('succeeded', 'failed')
            """,
            completed=_COMPLETED,
            result=_RESULT,
            results=_RESULTS,
            read=json.loads,
            stored=_STORED,
        ),
    )
}
