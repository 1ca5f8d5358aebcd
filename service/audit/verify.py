"""`python -m service.audit verify`: is the log what was recorded, sealed and signed?

Checks every hash, leaf, tree, signature, payload and head while the system runs, holds the tree
against the checkpoints in the database and against those that were shipped elsewhere, and names
whatever is not as it was: which task, which version, what. Ends with 0 when nothing is wrong, with
1 when something is, with 2 when it could not look.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from domain.checkpoint import VerifierKey
from domain.errors import InvalidCheckpoint, KetlogError
from infrastructure.checkpoint_folder import CheckpointFolder
from infrastructure.postgres.connect import Connection, connect, translated_errors
from infrastructure.postgres.statements import statement
from infrastructure.settings import SealSettings, read_settings
from infrastructure.signing import public_file, verifier_keys
from service.audit.audit import Audit, CannotVerify
from service.audit.findings import Finding, Kind, Tally

APPLICATION_NAME = "ketlog verify"
SHOWN_OF_A_KIND = 20
NOTHING_WRONG, SOMETHING_WRONG, CANNOT_LOOK = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    settings = read_settings(SealSettings)
    options = _parser(settings).parse_args(arguments)
    report = _Report(sys.maxsize if options.all else SHOWN_OF_A_KIND)
    try:
        keys = _keys(options.key, public_file(settings.signing_key_file))
        folder = None if options.checkpoints is None else CheckpointFolder(options.checkpoints)
        asyncio.run(_verify(settings.database_url, keys, folder, report))
    except (KetlogError, asyncpg.PostgresError, OSError) as error:
        sys.stderr.write(f"The log could not be verified: {error}\n")
        return CANNOT_LOOK
    return report.conclude()


async def _verify(
    dsn: str, keys: Sequence[VerifierKey], folder: CheckpointFolder | None, report: "_Report"
) -> None:
    connection = await connect(dsn, APPLICATION_NAME)
    try:
        async with translated_errors():
            audit = Audit(connection, keys, folder)
            async for finding in audit.findings():
                report.show(finding)
            report.summarise(audit.tally, keys, folder, await _age_of_tail(connection))
    finally:
        connection.terminate()


async def _age_of_tail(connection: Connection) -> float:
    """Return how many seconds ago the first event without a leaf was recorded; 0 for none."""
    (end,) = await connection.fetch(statement("sealed_end"))
    age = await connection.fetchval(
        statement("age_of_next_event"), str(end["xid"]), end["position"]
    )
    return age or 0.0


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
        self,
        tally: Tally,
        keys: Sequence[VerifierKey],
        folder: CheckpointFolder | None,
        tail_seconds: float,
    ) -> None:
        """Print what was looked at, and what nobody can vouch for yet."""
        for rate in tally.rates:
            _say(rate)
        signers = ", ".join(f"{key.name}+{key.key_id.hex()}" for key in keys)
        if tally.checkpoints:
            _say(
                f"{tally.checkpoints:,} checkpoints by {signers}, the last over "
                f"{tally.vouched:,} events"
            )
        if folder is None:
            _say("no shipped checkpoints to compare with: CHECKPOINT_SINK is not set")
        else:
            _say(
                f"{tally.shipped:,} shipped checkpoints in {folder.path}, the last over "
                f"{tally.vouched_elsewhere:,} events"
            )
        if tally.erased:
            _say(f"{tally.erased:,} contents were erased; their events stay valid")
        unvouched = tally.events - max(tally.vouched, tally.vouched_elsewhere)
        if unvouched > 0:
            age = f", the oldest of them {tail_seconds:.1f} s old" if tail_seconds else ""
            _say(f"{unvouched:,} events are under no checkpoint yet{age}: nobody vouches for them")

    def conclude(self) -> int:
        """Print the verdict; returns the exit code."""
        for kind, count in self._found.items():
            if count > self._shown:
                _say(f"{kind.upper()}: {count - self._shown:,} more (--all shows them)")
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
        "--all", action="store_true", help=f"show more than {SHOWN_OF_A_KIND} findings of a kind"
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
