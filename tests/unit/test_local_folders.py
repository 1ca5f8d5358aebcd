"""Where the files of a stack lie."""

import os
import subprocess
from pathlib import Path

import pytest

from infrastructure.local.account import ServerAccount
from infrastructure.local.folders import StackFolders, write_private

ME = ServerAccount(os.geteuid(), os.getegid(), switch=False)


class Elsewhere(ServerAccount):
    """An account that can enter nothing of the checkout."""

    def can_enter(self, folder: Path) -> bool:
        return "checkout" not in str(folder)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


def test_data_lies_in_the_stack_where_the_servers_reach_it(checkout: Path) -> None:
    folders = StackFolders(checkout / ".stack", ME)
    assert folders.servers == checkout / ".stack" / "servers"


def test_data_lies_outside_otherwise_and_is_found_again_and_removed(checkout: Path) -> None:
    account = Elsewhere(ME.uid, ME.gid, switch=False)
    stack_dir = checkout / ".stack"
    outside = StackFolders(stack_dir, account).servers
    try:
        assert checkout not in outside.parents
        assert StackFolders(stack_dir, account).servers == outside
        StackFolders(stack_dir, account).remove()
        assert not outside.exists()
    finally:
        if outside.exists():
            outside.rmdir()
    assert not stack_dir.exists()


def test_the_env_file_is_private_and_a_shell_reads_it(checkout: Path) -> None:
    folders = StackFolders(checkout / ".stack", ME)
    folders.write_env({"API_URL": "http://127.0.0.1:1", "ODD": "it's $HOME"})
    assert folders.env_file.stat().st_mode & 0o777 == 0o600
    read = subprocess.run(
        ["sh", "-c", f'. "{folders.env_file}"; printf "%s|%s" "$API_URL" "$ODD"'],
        check=True,
        capture_output=True,
        text=True,
    )
    assert read.stdout == "http://127.0.0.1:1|it's $HOME"


def test_numbers_are_remembered(checkout: Path) -> None:
    folders = StackFolders(checkout / ".stack", ME)
    assert folders.recall("ports") == {}
    folders.remember("ports", {"API_PORT": 1})
    assert folders.recall("ports") == {"API_PORT": 1}


def test_a_folder_of_somebody_else_is_refused(checkout: Path) -> None:
    (checkout / "link").symlink_to(checkout)
    with pytest.raises(PermissionError, match="move it away"):
        ME.make_root(checkout / "link")


def test_a_private_file_is_replaced_whole(checkout: Path) -> None:
    write_private(checkout / "file", "one")
    write_private(checkout / "file", "two")
    assert (checkout / "file").read_text() == "two"
    assert [path.name for path in checkout.iterdir()] == ["file"]
