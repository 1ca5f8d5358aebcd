"""One run of the comparison: every system in turns, a failed one left out from then on."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from bench.peers.catalogue import PEERS
from bench.peers.contestant import Contestant
from bench.peers.ketlog import KetlogContestant
from bench.peers.peer import PeerContestant
from bench.peers.turns import Found, backlog, backlog_and_pace, kills
from bench.run import Run
from infrastructure.local.ports import NotReadyError

OURS = "ketlog"
ROUNDS = 3
ENGINE_ROUNDS = 1
TASKS = 1_500
PACED = 100
FAILURES = (
    AssertionError,
    NotReadyError,
    OSError,
    ValueError,
    psycopg.Error,
    subprocess.SubprocessError,
)


class Comparison:
    """The systems of one run.

    Attributes:
        found: what each has shown, by name.
        tasks: of a backlog.
        paced: at a steady pace.
    """

    def __init__(self, run: Run, python: Path, names: Sequence[str]) -> None:
        """Describe it; nothing is started.

        Args:
            run: servers and sizes.
            python: interpreter of `.venv-peers`.
            names: the systems, in the order in which they take turns.
        """
        self.found = {name: Found() for name in names}
        self.tasks = run.size(TASKS)
        self.paced = run.size(PACED)
        self._run = run
        self._python = python
        self._contestants: dict[str, Contestant] = {}

    def measure(self) -> None:
        """Take all turns."""
        rounds, engine_rounds = (1, 1) if self._run.quick else (ROUNDS, ENGINE_ROUNDS)
        for number in range(rounds):
            for name in self.found:
                self._attempt(name, f"round {number + 1}", self._round)
        for _ in range(engine_rounds):
            for name in self.found:
                if name != OURS:
                    self._attempt(name, "engine", self._engine)
        for name in self.found:
            self._attempt(name, "kills", self._kills)

    def _round(self, name: str, found: Found) -> str:
        backlog_and_pace(self._contestant(name), found, self.tasks, self.paced)
        return (
            f"submitted {found.submitted[-1]:5.0f}/s  completed {found.completed[-1]:4.0f}/s  "
            f"p50 {found.p50[-1]:5.1f} ms  p99 {found.p99[-1]:5.1f} ms  "
            f"CPU {sum(found.cpu[-1].values()):.2f} ms a task"
        )

    def _engine(self, name: str, found: Found) -> str:
        found.engine.append(backlog(self._contestant(name, "engine"), self.tasks))
        return f"completed {found.engine[-1]:4.0f}/s by ketlog's engine"

    def _kills(self, name: str, found: Found) -> str:
        kills(self._contestant(name, "kills"), found, self.tasks)
        return f"lost {found.lost}, doubled {found.doubled}, settled after {found.recovered:.1f} s"

    def _contestant(self, name: str, use: str = "rounds") -> Contestant:
        """Return a system on a database and a vhost of its own for each use."""
        place = f"{name}_{use}"
        if place not in self._contestants:
            servers = self._run.servers
            self._contestants[place] = (
                KetlogContestant(servers)
                if name == OURS
                else PeerContestant(
                    servers, PEERS[name], self._python, place, own_engine=use != "engine"
                )
            )
        return self._contestants[place]

    def _last_words(self, name: str) -> str:
        contestants = (one for one in self._contestants.values() if one.name == name)
        return "\n".join(contestant.said() for contestant in contestants)

    def _attempt(self, name: str, what: str, step: Callable[[str, Found], str]) -> None:
        found = self.found[name]
        if found.failed:
            return
        try:
            said = step(name, found)
        except FAILURES as error:
            found.failed = f"{what}: {type(error).__name__}: {error}"
            said = f"FAILED {type(error).__name__}: {error}\n{self._last_words(name)}"
        self._run.say(f"{what:8} {name:13} {said}")
