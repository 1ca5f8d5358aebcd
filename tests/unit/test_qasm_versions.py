"""The version of a program is read from its text, or detected."""

import pytest

from infrastructure.quantum.qasm import Code, ProgramError, ProgramLimits, compile_program
from infrastructure.quantum.qasm.source import Source


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("OPENQASM 2.0;", "2.0"),
        ("OPENQASM 2;", "2.0"),
        ("OPENQASM 3;", "3.0"),
        ("OPENQASM 3.0;", "3.0"),
        ("OPENQASM 3.1;", "3.1"),
        ("// first\n/* second\n */ OPENQASM\t2.0 ;", "2.0"),
        ("\ufeffOPENQASM 2.0;", "2.0"),
        ("qubit q;", "3.0"),
        ("", "3.0"),
        ('include "qelib1.inc";\nqreg q[1];', "2.0"),
        ("// c\nqreg q[1]; creg c[1];", "2.0"),
        ("creg c[2];", "2.0"),
        ("qubit a; qreg q[1];", "3.0"),
        ('include "stdgates.inc"; qubit q;', "3.0"),
    ],
)
def test_the_version_is_stated_or_detected(text: str, version: str) -> None:
    assert Source(text, 1000).version == version


@pytest.mark.parametrize("version", ["1.0", "2.1", "3.2", "4.0", "30", "3.0.0", "x"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program(f"OPENQASM {version}; qubit q; measure q;")
    assert caught.value.code == Code.UNSUPPORTED_VERSION
    assert (caught.value.line, caught.value.column) == (1, 10)


@pytest.mark.parametrize("text", ["OPENQASM;", "OPENQASM 3.0", "OPENQASM 3.0\nqubit q;"])
def test_a_broken_version_statement_is_a_syntax_error(text: str) -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program(text)
    assert caught.value.code == Code.PARSE_ERROR


def test_places_count_lines_and_columns_from_one() -> None:
    source = Source("ab\n\ncd", 100)
    assert [source.place(offset) for offset in range(6)] == [
        (1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2),
    ]  # fmt: skip


def test_the_size_counts_bytes() -> None:
    limits = ProgramLimits(max_bytes=100)
    with pytest.raises(ProgramError) as caught:
        compile_program("// " + "π" * 50, limits=limits)
    assert caught.value.code == Code.PROGRAM_TOO_LARGE


def test_lone_surrogates_are_counted_not_fatal() -> None:
    with pytest.raises(ProgramError) as caught:
        compile_program("\ud800" * 10, limits=ProgramLimits(max_bytes=35))
    assert caught.value.code == Code.PARSE_ERROR
