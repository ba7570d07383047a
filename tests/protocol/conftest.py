"""Tells in the terminal summary how many published Noise vectors ran, and which were left out."""

import pytest

from tests.protocol.noise_vectors import LEFT_OUT, name_of, of_our_suite


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed, failed = (
        sum("test_noise_vectors.py::test_vector[" in report.nodeid for report in reports)
        for reports in (terminalreporter.getreports(name) for name in ("passed", "failed"))
    )
    if passed or failed:
        ours = [name_of(vector) for vector in LEFT_OUT if of_our_suite(vector)]
        terminalreporter.write_line(
            f"Noise vectors: {passed} passed, {failed} failed; left out:"
            f" {', '.join(ours) or 'none'} and {len(LEFT_OUT) - len(ours)} of other suites"
        )
