"""How long others wait for a sign-on."""

import pytest

from pam_agent.check_limits import login
from pam_agent.policy import Timers
from pam_agent.service_policy import ServiceTable, policy

LOGIN = policy("login", ServiceTable(), Timers())


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (None, False),
        ("LOGIN_TIMEOUT\t\t60\n", False),
        ("LOGIN_TIMEOUT 49\n", True),
        ("LOGIN_TIMEOUT 60\nLOGIN_TIMEOUT 30\n", True),
        ("LOGIN_TIMEOUT 0\n", False),
        (f"LOGIN_TIMEOUT {'9' * 5000}\n", False),
        ("#LOGIN_TIMEOUT 10\n", False),
    ],
)
def test_logins_patience(text: str | None, wrong: bool) -> None:
    assert [each.word for each in login("/etc/login.defs", text, LOGIN)] == (
        ["login-timeout"] if wrong else []
    )


def test_a_longer_sign_on_needs_a_longer_login() -> None:
    table = ServiceTable(validation=60, acknowledgement=45, sign_on=150)
    (finding,) = login("/etc/login.defs", None, policy("login", table, Timers()))
    assert finding.wrong.startswith("LOGIN_TIMEOUT is 60 s, and a sign-on may last 150 s")
    assert finding.instead.startswith("Set LOGIN_TIMEOUT to 160 s")
