"""What is wrong with what PostgreSQL is told."""

import pytest

from pam_agent.check_finding import Weight
from pam_agent.check_postgresql import judge
from pam_agent.policy import Timers
from pam_agent.postgresql_conf import Cluster, Setting
from pam_agent.service_policy import ServicePolicy, ServiceTable, policy

MAIN = "/etc/postgresql/15/main/postgresql.conf"
CALLERS = {"postgres": ("postgresql", "db")}


def policy_of(name: str) -> ServicePolicy:
    return policy("postgresql", ServiceTable(), Timers())


def said(
    *clusters: Cluster,
    used: tuple[str, ...] = ("postgresql",),
    callers: dict[str, tuple[str, ...]] = CALLERS,
) -> list[tuple[str, str, str]]:
    found = judge(used, clusters, policy_of, callers)
    return [(each.word, each.service, each.where) for each in found]


def cluster(value: str | None = None, *services: str, unread: tuple[str, ...] = ()) -> Cluster:
    settings = {} if value is None else {"authentication_timeout": Setting(value, "conf:3")}
    return Cluster(MAIN, settings, {name: f"hba:{name}" for name in services}, list(unread))


@pytest.mark.parametrize(
    ("value", "where"),
    [(None, None), ("60", None), ("50s", None), ("49s", "conf:3"), ("soon", None)],
)
def test_its_patience(value: str | None, where: str | None) -> None:
    expected = [("postgresql-timeout", "postgresql", where)] if where else []
    assert said(cluster(value)) == expected


def test_without_a_word_its_default_has_to_do() -> None:
    long = policy(
        "postgresql", ServiceTable(validation=60, acknowledgement=45, sign_on=150), Timers()
    )
    (finding,) = judge(["postgresql"], [cluster()], lambda _: long, CALLERS)
    assert finding.where == MAIN
    assert finding.wrong.startswith("authentication_timeout is 60 s, and a sign-on may last 150 s")


def test_only_where_it_is_named() -> None:
    assert said(cluster("9", "db"), cluster("60", "postgresql"), used=("db", "postgresql")) == [
        ("postgresql-timeout", "db", "conf:3")
    ]
    assert said(cluster("9", "postgresql"), used=("db",)) == []  # db may be anything


def test_who_may_ask() -> None:
    for callers in ({}, {"postgres": ("db",)}):
        assert said(callers=callers) == [
            ("caller-unknown", "postgresql", "/etc/bartizan/agent.toml")
        ]
    assert said(cluster(None, "x"), used=("x",)) == [
        ("caller-unknown", "x", "/etc/bartizan/agent.toml")
    ]


def test_another_service_is_noted_where_one_has_the_module() -> None:
    found = list(judge(["postgresql"], [cluster("60", "postgresql", "z")], policy_of, CALLERS))
    assert [(each.weight, each.word, each.service, each.where) for each in found] == [
        (Weight.NOTE, "postgresql-other-service", "z", "hba:z")
    ]
    assert said(cluster("60", "z"), used=("sudo",)) == []


def test_what_cannot_be_read_is_unchecked_where_it_counts() -> None:
    (finding,) = judge(["postgresql"], [cluster(unread=("x",))], policy_of, CALLERS)
    assert (finding.weight, finding.word, finding.where) == (
        Weight.UNCHECKED,
        "postgresql-not-read",
        "x",
    )
    assert said(cluster(unread=("x",)), used=("sudo",)) == []
