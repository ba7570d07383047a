"""The same run everywhere: hypothesis's examples, and what a program inherits of signals. Each run
another one: Trio's schedules, and what is drawn by `random`.

A test that fails says the run's seed; BARTIZAN_SEED=... plays it again, alone or among others. Keys
are not drawn by it, and threads and other processes have a time of their own.

Whatever starts the tests in the background may ignore Ctrl-C, and a process inherits that.

No test waits for ever: one on Trio fails after LIMIT, with its tasks' traces; whatever else hangs,
pytest's faulthandler ends (pyproject.toml).
"""

import functools
import inspect
import os
import random
import secrets
import signal
from collections.abc import Generator
from typing import Any, Final

import pytest
import trio
from hypothesis import settings

settings.register_profile("ci", max_examples=150, derandomize=True, deadline=None, print_blob=True)
settings.register_profile("deep", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

LIMIT: Final = float(os.environ.get("BARTIZAN_LIMIT", "240"))
"""Seconds for one test on Trio: several times what the longest takes on two cores."""
SEED = int(os.environ.get("BARTIZAN_SEED") or secrets.randbits(32))


def pytest_report_header() -> str:
    return f"schedules: BARTIZAN_SEED={SEED}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A seed of its own for each test, so that one alone runs as it does among others."""
    random.seed(f"{SEED} {item.nodeid}")
    # By this Trio shuffles whatever tasks are ready, where pytest-trio has found hypothesis.
    trio._core._run._r.seed(f"{SEED} {item.nodeid}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or not inspect.iscoroutinefunction(item.obj):
            continue
        if not {"autojump_clock", "mock_clock"} & set(item.fixturenames):  # there no time passes
            item.obj = _limited(item.obj)


def _limited(test: Any) -> Any:
    @functools.wraps(test)
    async def limited(**fixtures: Any) -> None:
        with trio.fail_after(LIMIT):
            await test(**fixtures)

    return limited


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.append(("schedule", f"BARTIZAN_SEED={SEED}"))
    return report
