"""`python -m service.audit COMMAND …`: the auditor's commands."""

import sys
from importlib import import_module

COMMANDS = {
    "verify": "is the log what was recorded, sealed and signed?",
    "replay": "do the projections hold what the log says?",
    "rebuild": "make the projections anew from the log",
    "reproduce": "make recorded runs again and compare",
    "timeline": "the life of a task, for people",
    "tasks": "the tasks that there were, as they stood at a time",
    "export": "the log as lines of JSON",
    "import": "an exported log into an empty installation",
}
MODULES = {"import": "import_log"}
"""Where a command's module is not called as the command."""


def main(arguments: list[str]) -> int:
    """Run one command; returns its exit code."""
    if arguments and arguments[0] in COMMANDS:
        name = MODULES.get(arguments[0], arguments[0])
        command = import_module(f"service.audit.{name}")
        return int(command.main(arguments[1:]))
    lines = [f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items()]
    sys.stderr.write("python -m service.audit COMMAND …\n\n" + "\n".join(lines) + "\n")
    return 0 if arguments in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
