"""Commands of the local stack: what the targets of the Makefile call."""

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infrastructure.local.compose import ComposeStack, engine_answers
from infrastructure.local.install import MissingServerError, ensure_rabbitmq
from infrastructure.local.native import NativeStack
from infrastructure.local.ports import NotReadyError
from infrastructure.local.settings import MAX_WORKERS, StackSettings, StackSettingsError
from infrastructure.local.stack import LogOptions, Stack, check_service
from infrastructure.local.terminal import UserError, say

_CHECKOUT = Path(__file__).resolve().parents[2]
_EXPECTED_ERRORS = (
    UserError,
    StackSettingsError,
    MissingServerError,
    NotReadyError,
    PermissionError,
    FileNotFoundError,
    LookupError,
    subprocess.TimeoutExpired,
)


def choose_stack(settings: StackSettings) -> Stack:
    """The stack that a command means.

    `auto` is the native one if that is up, else Docker Compose when an engine answers.
    """
    native = NativeStack(settings)
    if settings.kind == "auto":
        return native if native.running or not engine_answers() else _compose(settings)
    return native if settings.kind == "native" else _compose(settings)


def _compose(settings: StackSettings) -> Stack:
    return ComposeStack(settings, build=os.environ.get("BUILD", "yes") != "no")


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infrastructure.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "ensure-up", "down", "clean", "status", "servers"):
        commands.add_parser(name)
    logs = commands.add_parser("logs")
    logs.add_argument("service", nargs="?")
    logs.add_argument("--containing", default="")
    logs.add_argument("--follow", choices=("yes", "no", "auto"), default="auto")
    for name in ("start", "stop", "restart"):
        commands.add_parser(name).add_argument("service", nargs="?")
    commands.add_parser("scale").add_argument("workers", nargs="?")
    for name in ("psql", "migrate"):
        commands.add_parser(name)
    asked, rest = parser.parse_known_args(words)
    if rest and asked.command not in {"psql", "migrate"}:
        parser.error(f"what is {' '.join(rest)}?")
    asked.rest = rest
    return asked


def run(asked: argparse.Namespace, settings: StackSettings) -> int:
    """Do one command; its exit code."""
    if asked.command == "servers":
        _ensure_servers_for_tests()
        return 0
    stack = choose_stack(settings)
    match asked.command:
        case "ensure-up" if stack.running and (settings.stack_dir / "env").exists():
            pass
        case "up" | "ensure-up":
            stack.up()
        case "down" | "clean":
            getattr(stack, asked.command)()
        case "logs":
            stack.logs(_log_options(asked))
        case "start" | "stop" | "restart":
            getattr(stack, asked.command)(_service(asked))
        case "scale":
            stack.scale(_worker_count(asked.workers))
        case _:
            return _exit_code_of(stack, asked)
    return 0


def _ensure_servers_for_tests() -> None:
    """Install what the tests need here, unless they are told to use, or will use, other servers."""
    choice = os.environ.get("TEST_SERVERS", "auto")
    elsewhere = choice == "containers" or "TEST_RABBITMQ_URL" in os.environ
    if not elsewhere and (choice == "native" or not engine_answers()):
        ensure_rabbitmq(say)


def _exit_code_of(stack: Stack, asked: argparse.Namespace) -> int:
    if asked.command == "psql":
        return stack.psql(asked.rest)
    if asked.command == "migrate":
        return stack.migrate(asked.rest)
    return 0 if stack.status() else 1


def _service(asked: argparse.Namespace) -> str:
    if not asked.service:
        raise UserError(f"which one? make {asked.command} SERVICE=rabbitmq")
    return check_service(asked.service)


def _log_options(asked: argparse.Namespace) -> LogOptions:
    service = check_service(asked.service) if asked.service else None
    follow = sys.stdout.isatty() if asked.follow == "auto" else asked.follow == "yes"
    return LogOptions(service=service, follow=follow, containing=asked.containing)


def _worker_count(text: str | None) -> int:
    if text is None or not text.isdigit() or not 1 <= int(text) <= MAX_WORKERS:
        raise UserError(f"how many? make scale WORKERS=3 (1 to {MAX_WORKERS})")
    return int(text)


def main(words: Sequence[str] | None = None) -> int:
    """Run the program; its exit code. Expected errors are printed as one message."""
    try:
        return run(_parse(words), StackSettings.read(_CHECKOUT))
    except KeyboardInterrupt:
        return 130
    except _EXPECTED_ERRORS as error:
        sys.stderr.write(f"\nketlog: {error}\n")
        return 1


if __name__ == "__main__":
    # aiormq and psycopg log what the commands report in their own words.
    logging.disable()
    sys.exit(main())
