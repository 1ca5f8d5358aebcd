"""The audit of the dependencies: what fails the check, and what only says something."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"name": "good", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "unknown", "skip_reason": "not found"}
BAD = {
    "name": "bad",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"]}],
}


@pytest.fixture
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit_dependencies.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def playing(tmp_path: Path, out: str, complaint: str = "", code: int = 0) -> list[str]:
    """A program that says what pip-audit would, and writes down how it was called."""
    script = tmp_path / "played.py"
    script.write_text(
        "import pathlib, sys\n"
        f"pathlib.Path({str(tmp_path / 'called')!r}).write_text(' '.join(sys.argv[1:]))\n"
        f"print({out!r})\nprint({complaint!r}, file=sys.stderr)\nsys.exit({code})\n"
    )
    return [sys.executable, str(script)]


def report(*dependencies: object) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


@pytest.mark.parametrize(
    ("out", "code", "said"),
    [
        (report(GOOD), 0, "1 dependencies audited, 0 vulnerabilities\n"),
        (report(GOOD, BAD), 1, "bad 2.0: CVE-1 PYSEC-1, mended in 2.1\n2 dep"),
        (report(GOOD, UNKNOWN), 0, "0 vulnerabilities, not known there: unknown\n"),
        (report(UNKNOWN), 0, "not audited: the advisory service knows none of 1\n"),
    ],
)
def test_vulnerabilities_fail_the_check_and_nothing_else_does(
    audit: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    out: str,
    code: int,
    said: str,
) -> None:
    program = playing(tmp_path, out, code=code)
    assert audit.main(["a.lock", "b.lock"], program) == code
    assert said in capsys.readouterr().out
    called = (tmp_path / "called").read_text()
    assert called.endswith("--requirement a.lock --requirement b.lock")
    assert "--require-hashes --disable-pip" in called


def test_a_service_that_is_away_is_said_to_be_so(
    audit: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = playing(tmp_path, "", "a trace\nConnectionError: no way there", code=1)
    assert audit.main(["a.lock"], program) == 0
    said = capsys.readouterr().out
    assert "not audited" in said
    assert "(ConnectionError: no way there)" in said


def test_a_service_that_does_not_answer_is_given_up(
    audit: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit, "SECONDS", 0.05)
    endless = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    assert audit.main(["a.lock"], endless) == 0
    assert "no answer in 0.05 s" in capsys.readouterr().out


def test_an_advisory_that_does_not_concern_us_is_passed_over(
    audit: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "ACCEPTED", {"CVE-1": "the part is not used"})
    assert audit.main(["a.lock"], playing(tmp_path, report(BAD), code=1)) == 0


def test_every_dependency_is_in_a_lock_that_is_audited() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for lock in ROOT.glob("*.lock"):
        assert lock.name in makefile.partition("audit_dependencies.py")[2].splitlines()[0]
