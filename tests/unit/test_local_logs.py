"""The logs of several processes as one stream."""

import io
from collections.abc import Callable
from pathlib import Path

from infrastructure.local.logs import print_logs


def then(*acts: Callable[[], None]) -> Callable[[float], None]:
    """Stands for the waits: does the next act in each, and presses Ctrl-C in the last."""
    pending = list(acts)

    def rest(_seconds: float) -> None:
        if not pending:
            raise KeyboardInterrupt
        pending.pop(0)()

    return rest


def test_each_line_has_its_process_in_front(tmp_path: Path) -> None:
    (tmp_path / "api.log").write_text("one\ntwo\n")
    (tmp_path / "relay.log").write_text("three\n")
    files = {name: tmp_path / f"{name}.log" for name in ("api", "relay")}
    output = io.BytesIO()
    print_logs(files, follow=False, output=output)
    assert output.getvalue() == b"api   | one\napi   | two\nrelay | three\n"


def test_following_shows_the_last_lines_and_then_what_comes(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("".join(f"{number}\n" for number in range(150)))
    output = io.BytesIO()

    def write() -> None:
        with log.open("a") as file:
            file.write("new\nhal")

    def finish_the_line() -> None:
        with log.open("a") as file:
            file.write("f\n")

    print_logs({"api": log}, follow=True, output=output, rest=then(write, finish_the_line))
    lines = output.getvalue().decode().splitlines()
    assert lines[0] == "api | 50"
    assert lines[-2:] == ["api | new", "api | half"]


def test_following_goes_on_in_the_new_file_after_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("old\n")
    output = io.BytesIO()

    def rotate() -> None:
        log.rename(tmp_path / "api.log.1")
        log.write_text("new\n")

    print_logs({"api": log}, follow=True, output=output, rest=then(rotate))
    assert output.getvalue() == b"api | old\napi | new\n"


def test_a_log_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    output = io.BytesIO()

    def begin() -> None:
        log.write_text("first\n")

    print_logs({"api": log}, follow=True, output=output, rest=then(begin))
    assert output.getvalue() == b"api | first\n"


def test_only_the_lines_with_a_wanted_text_are_printed(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.log" for name in ("api", "worker")}
    files["api"].write_text("one id=7\ntwo id=8\n")
    files["worker"].write_text("three id=7\n")
    output = io.BytesIO()
    print_logs(files, follow=False, containing="id=7", output=output)
    assert output.getvalue() == b"api    | one id=7\nworker | three id=7\n"
