"""The shared object that is installed: what it exports and how it is hardened."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def module(build: Callable[[bool], Path]) -> Path:
    return build(False)


def said(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_only_the_entry_points_are_exported(module: Path) -> None:
    lines = said("nm", "--dynamic", "--defined-only", module).splitlines()
    assert {line.split()[-1] for line in lines} == {"pam_sm_authenticate", "pam_sm_setcred"}


def test_it_needs_libpam_and_libc_alone(module: Path) -> None:
    needed = [line for line in said("readelf", "-d", module).splitlines() if "(NEEDED)" in line]
    assert [line.partition("[")[2].rstrip("]") for line in needed] == ["libpam.so.0", "libc.so.6"]


def test_it_takes_no_thread_no_signal_and_no_program(module: Path) -> None:
    lines = said("nm", "--dynamic", "--undefined-only", module).splitlines()
    used = {line.split()[-1].partition("@")[0] for line in lines}
    foreign: tuple[str, ...] = ("pthread_", "fork", "vfork", "exec", "posix_spawn", "system")
    foreign += ("popen", "signal", "sigaction", "sigprocmask", "alarm", "setitimer", "umask")
    foreign += ("setuid", "seteuid", "setenv", "putenv", "chdir", "malloc", "calloc", "realloc")
    found = {name for name in used if name.startswith(foreign)}
    assert found == {"signalfd"}  # which only looks: no handler, no mask, nothing read


def test_it_has_no_writable_globals_of_its_own(module: Path) -> None:
    """Several calls in one process share nothing: a data segment holds only the linker's own."""
    rows = [line.split() for line in said("nm", "--print-size", module).splitlines()]
    kinds = {row[-1]: row[-2] for row in rows}
    writable = {name for name, kind in kinds.items() if kind in "bBdDsS"}
    assert {name for name in writable if not name.startswith(("_", "completed"))} == {"ENDINGS"}


def test_relocations_are_read_only_and_bound_at_once(module: Path) -> None:
    assert "GNU_RELRO" in said("readelf", "--program-headers", "--wide", module)
    assert "NOW" in said("readelf", "-d", module)


def test_its_table_of_endings_is_read_only_after_loading(module: Path) -> None:
    symbols = said("nm", "--format=sysv", module)
    (line,) = [line for line in symbols.splitlines() if line.startswith("ENDINGS")]
    assert line.rpartition("|")[2] == ".data.rel.ro"


def test_no_segment_is_writable_and_executable(module: Path) -> None:
    rows = [
        row.split()
        for row in said("readelf", "--program-headers", "--wide", module).splitlines()
        if row.split()[:1] in (["LOAD"], ["GNU_STACK"])
    ]
    assert "GNU_STACK" in {row[0] for row in rows}
    for row in rows:
        flags = set("".join(row[6:-1]))  # behind type, offset, two addresses and two sizes
        assert not {"W", "E"} <= flags, row


def test_stack_protector_and_fortify_are_in(module: Path) -> None:
    names = said("nm", "--dynamic", "--undefined-only", module)
    assert "__stack_chk_fail" in names
    assert "_chk@" in names


def test_it_is_built_with_control_flow_protection(module: Path) -> None:
    if "X86-64" not in said("readelf", "--file-header", module):
        pytest.skip("-fcf-protection is x86's; other machines have their own or none")
    code = said("objdump", "--disassemble=pam_sm_authenticate", module)
    assert "endbr64" in code
