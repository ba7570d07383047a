"""What a process has used: CPU, memory, cycles where they can be counted."""

import os
import time
from pathlib import Path

import pytest

from bench.counters import counting
from bench.process import Cpu, cpu, memory


def work(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_cpu_time_of_a_process() -> None:
    before = cpu(os.getpid())
    work(0.1)
    used = cpu(os.getpid()) - before
    assert 0.09 < used.total < 1.0
    assert used.user + used.system == pytest.approx(used.total)


def test_the_exact_total_is_split_as_the_ticks_are() -> None:
    used = Cpu(total=3.0, user=2.0, system=1.0) - Cpu(total=1.0, user=0.5, system=0.5)
    assert used == Cpu(total=2.0, user=1.5, system=0.5)


def test_without_a_tick_nothing_is_known_of_the_split() -> None:
    assert Cpu(0.5, 1.0, 1.0) - Cpu(0.25, 1.0, 1.0) == Cpu(0.25, 0.0, 0.25)


def test_memory_that_was_written_is_counted() -> None:
    before = memory(os.getpid())
    kept = bytearray(os.urandom(1 << 20)) * 32
    assert memory(os.getpid()) - before > 30 << 20
    del kept


def test_without_perf_nothing_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with counting(os.getpid()) as counted:
        work(0.01)
    assert counted == {}


def test_perf_that_may_not_count_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    perf = tmp_path / "perf"
    perf.write_text("#!/bin/sh\necho 'no permission' >&2\nexit 255\n")
    perf.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with counting(os.getpid()) as counted:
        work(0.01)
    assert counted == {}
