"""How long others wait, and for how long sudo remembers."""

import pytest

from pam_agent.check_finding import Weight
from pam_agent.check_limits import callers, login, postgresql, sudo
from pam_agent.policy import Timers
from pam_agent.service_policy import ServiceTable, policy


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "/etc/sudoers"),
        ("Defaults env_reset\n", "/etc/sudoers"),
        ("Defaults timestamp_timeout=5\n", "/etc/sudoers:1"),
        ("Defaults env_reset, timestamp_timeout = 0.5\n", "/etc/sudoers:1"),
        ("Defaults timestamp_timeout=0\nDefaults timestamp_timeout=-1\n", "/etc/sudoers:2"),
        ("# Defaults timestamp_timeout=0\n", "/etc/sudoers"),
        ("Defaults:ada timestamp_timeout=0\n", "/etc/sudoers"),
        ("Defaults timestamp_timeout=0\n", None),
        ('Defaults  timestamp_timeout="0"\n', None),
        ("Defaults !timestamp_timeout\n", None),
        ("Defaults timestamp_timeout=15\nDefaults env_reset,timestamp_timeout=0\n", None),
    ],
)
def test_sudos_memory(text: str, place: str | None) -> None:
    found = list(sudo("sudo", {"/etc/sudoers": text}))
    assert [(each.word, each.where) for each in found] == (
        [("sudo-timestamp", place)] if place else []
    )


def test_a_later_file_counts() -> None:
    texts = {
        "/etc/sudoers": "Defaults env_reset\n",
        "/etc/sudoers.d/b": "Defaults timestamp_timeout=0",
    }
    assert list(sudo("sudo", texts)) == []


def test_how_long_is_told() -> None:
    (finding,) = sudo("sudo", {"/etc/sudoers": "Defaults timestamp_timeout=5\n"})
    assert "for 5 minutes" in finding.wrong
    (finding,) = sudo("sudo", {"/etc/sudoers": "Defaults timestamp_timeout=-1\n"})
    assert "until the next start" in finding.wrong
    (finding,) = sudo("sudo", {})
    assert "for 15 minutes" in finding.wrong


def test_what_asks_nobody_is_noted() -> None:
    text = (
        "Defaults timestamp_timeout=0\n# a NOPASSWD: comment\nada ALL=(ALL) NOPASSWD: /bin/true\n"
    )
    (finding,) = sudo("sudo", {"/etc/sudoers": text})
    assert (finding.weight, finding.where) == (Weight.NOTE, "/etc/sudoers:3")


LOGIN = policy("login", ServiceTable(), Timers())


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (None, False),
        ("LOGIN_TIMEOUT\t\t60\n", False),
        ("LOGIN_TIMEOUT 49\n", True),
        ("LOGIN_TIMEOUT 60\nLOGIN_TIMEOUT 30\n", True),
        ("LOGIN_TIMEOUT 0\n", False),
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


CONF = "/etc/postgresql/15/main/postgresql.conf"
POSTGRESQL = policy("postgresql", ServiceTable(), Timers())


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", False),
        ("authentication_timeout = 1min  # (change requires restart)\n", False),
        ("authentication_timeout = 30s\n", True),
        ("authentication_timeout '45 s'\n", True),
        ("authentication_timeout = 40\n", True),
        ("authentication_timeout = 40000ms\n", True),
        ("AUTHENTICATION_TIMEOUT = 1h\n", False),
        ("#authentication_timeout = 1s\n", False),
        ("authentication_timeout = 10s\nauthentication_timeout = 2min\n", False),
    ],
)
def test_postgresqls_patience(text: str, wrong: bool) -> None:
    found = list(postgresql("postgresql", CONF, text, POSTGRESQL))
    assert [each.word for each in found] == (["postgresql-timeout"] if wrong else [])


def test_who_may_ask_for_postgresql() -> None:
    assert [each.word for each in callers("postgresql", {})] == ["caller-unknown"]
    assert [each.word for each in callers("postgresql", {"postgres": ("other",)})] == [
        "caller-unknown"
    ]
    assert list(callers("postgresql", {"postgres": ("postgresql",)})) == []
