"""`python -m service.audit verify`: is the log what was recorded, sealed and signed?

Checks every hash, leaf, tree, signature, payload and head while the system runs, holds the tree
against the checkpoints in the database and against those that were shipped elsewhere, and names
whatever is not as it was: which task, which version, what. Ends with 0 when nothing is wrong, with
1 when something is, with 2 when it could not look.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from domain.checkpoint import VerifierKey
from domain.errors import InvalidCheckpoint, KetlogError
from infrastructure.checkpoint_folder import CheckpointFolder
from infrastructure.postgres.connect import translated_errors
from infrastructure.settings import SealSettings, read_settings
from infrastructure.signing import public_file, verifier_keys
from service.audit.audit import Audit, CannotVerify
from service.audit.findings import Finding, Kind, Tally

SHOWN_OF_A_KIND = 20
MOST_JOBS = 4
NOTHING_WRONG, SOMETHING_WRONG, CANNOT_LOOK = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    settings = read_settings(SealSettings)
    options = _parser(settings).parse_args(arguments)
    report = _Report(sys.maxsize if options.all else SHOWN_OF_A_KIND)
    try:
        keys = _keys(options.key, public_file(settings.signing_key_file))
        folder = None if options.checkpoints is None else CheckpointFolder(options.checkpoints)
        audit = Audit(settings.database_url, keys, folder, options.jobs, report.show)
        asyncio.run(_verify(audit))
    except (KetlogError, asyncpg.PostgresError, OSError) as error:
        sys.stderr.write(f"The log could not be verified: {error}\n")
        return CANNOT_LOOK
    report.summarise(audit.tally, keys, folder)
    return report.conclude(audit.tally)


async def _verify(audit: Audit) -> None:
    async with translated_errors():
        await audit.run()


class _Report:
    """What people read: findings as they come, then what was looked at.

    Args:
        shown: so many findings of a kind are shown, the others are counted.
    """

    def __init__(self, shown: int) -> None:
        self._shown = shown
        self._found: Counter[Kind] = Counter()

    def show(self, finding: Finding) -> None:
        """Print a finding."""
        self._found[finding.kind] += 1
        if self._found[finding.kind] <= self._shown:
            _say(str(finding))

    def summarise(
        self, tally: Tally, keys: Sequence[VerifierKey], folder: CheckpointFolder | None
    ) -> None:
        """Print what was looked at, and what nobody can vouch for yet."""
        _say(f"{tally.rate}, of {tally.tasks:,} tasks; {tally.leaves:,} leaves")
        signers = ", ".join(f"{key.name}+{key.key_id.hex()}" for key in keys)
        if tally.checkpoints:
            _say(
                f"checkpoints: {tally.checkpoints:,} by {signers}, the last over "
                f"{tally.vouched:,} events"
            )
        if folder is None:
            _say("shipped checkpoints: none to compare with, CHECKPOINT_SINK is not set")
        else:
            _say(
                f"shipped checkpoints: {tally.shipped:,} in {folder.path}, the last over "
                f"{tally.vouched_elsewhere:,} events"
            )
        if tally.erased:
            _say(f"erased contents: {tally.erased:,}; their events stay valid")
        if tally.missing:
            _say(
                f"missing contents: {tally.missing:,}, left out of an export or removed by hand: "
                "no event says that they were erased"
            )
        unvouched = tally.events - max(tally.vouched, tally.vouched_elsewhere)
        if unvouched > 0:
            age = f", the oldest of them {tally.tail_seconds:.1f} s old" * (tally.tail_seconds > 0)
            _say(f"under no checkpoint yet: {unvouched:,} events{age}; nobody vouches for them")

    def conclude(self, tally: Tally) -> int:
        """Print the verdict; returns the exit code."""
        for kind, count in self._found.items():
            if count > self._shown:
                _say(f"{kind.upper()}: {count - self._shown:,} more (--all shows them)")
        if self._found[Kind.REWRITTEN] and tally.tree_is_sound:
            _say("The leaves are what was signed: it is the events that were rewritten.")
        if not self._found:
            _say("OK: nothing was altered, removed or inserted.")
            return NOTHING_WRONG
        counts = ", ".join(f"{kind} ({count:,})" for kind, count in self._found.items())
        _say(f"NOT OK: {counts}.")
        return SOMETHING_WRONG


def _keys(given: Sequence[str], beside_the_key: Path) -> list[VerifierKey]:
    """Return the public keys to believe; without any given, those that lie here."""
    try:
        if given:
            texts = [Path(key).read_text() if Path(key).is_file() else key for key in given]
        else:
            texts = [beside_the_key.read_text()] if beside_the_key.is_file() else []
        return [key for text in texts for key in verifier_keys(text)]
    except (InvalidCheckpoint, UnicodeDecodeError) as error:
        raise CannotVerify(f"a public key cannot be used: {error}") from error


def _parser(settings: SealSettings) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit verify", description=__doc__)
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        help="public key that signs checkpoints, or a file of such keys; "
        "by default those beside SIGNING_KEY_FILE",
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=settings.checkpoint_sink,
        metavar="FOLDER",
        help="where checkpoints were shipped to; by default CHECKPOINT_SINK",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, 65),
        default=min(MOST_JOBS, os.cpu_count() or 1),
        metavar="N",
        help=f"number of processes that check (default: one a processor, at most {MOST_JOBS})",
    )
    parser.add_argument(
        "--all", action="store_true", help=f"show more than {SHOWN_OF_A_KIND} findings of a kind"
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
