"""Who has to sign on, by this machine's own name service."""

import pwd
import threading

import pytest

from pam_agent import membership
from pam_agent.membership import MOST_LOOK_UPS, is_required
from pam_agent.service_policy import ServicePolicy
from tests.support.services import service


def wanted(**keys: list[str]) -> ServicePolicy:
    return service("sshd", **keys)


@pytest.mark.parametrize(
    ("keys", "user", "required"),
    [
        ({}, "nobody", True),
        ({}, "no such user", True),
        ({"users": ["root"]}, "root", True),
        ({"users": ["root"]}, "nobody", False),
        ({"users": ["no such user", "root"]}, "root", True),
        ({"users": ["no such user"]}, "nobody", True),
        ({"users": ["root"]}, "no such user", True),
        ({"groups": ["nogroup"]}, "nobody", True),
        ({"groups": ["nogroup"]}, "root", False),
        ({"groups": ["nogroup"]}, "no such user", True),
        ({"groups": ["no such group"]}, "nobody", True),
        ({"users": ["root"], "groups": ["nogroup"]}, "nobody", True),
        ({"users": ["root"], "groups": ["nogroup"]}, "daemon", False),
        ({"users": ["root"]}, "no\0body", True),
        ({"users": ["root", "no such user"]}, "nobody", True),
        ({"users": ["ro\0ot"]}, "nobody", True),
        ({"users": ["root"]}, "\udcff", True),
    ],
)
async def test_who_has_to(keys: dict[str, list[str]], user: str, required: bool) -> None:
    assert await is_required(wanted(**keys), user) is required


async def test_members_of_a_group_have_to() -> None:
    import grp

    members = [(group.gr_name, name) for group in grp.getgrall() for name in group.gr_mem]
    for group, name in members[:3]:
        assert await is_required(wanted(groups=[group]), name)


async def test_one_user_of_two_names_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a directory has it, which takes names in any case, and with a domain or without."""
    real = pwd.getpwnam

    def directory(name: str) -> pwd.struct_passwd:
        return real(name.lower().partition("@")[0])

    monkeypatch.setattr(membership.pwd, "getpwnam", directory)
    for name in ("Root", "root@example.org"):
        assert await is_required(wanted(users=["root"]), name)
    assert not await is_required(wanted(users=["root"]), "Nobody")


async def test_a_name_service_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    def slow(_name: str) -> pwd.struct_passwd:
        goes_on.wait()
        raise KeyError

    monkeypatch.setattr(membership.pwd, "getpwnam", slow)
    monkeypatch.setattr(membership, "PATIENCE", 0.02)
    try:
        for _ in range(MOST_LOOK_UPS + 1):  # the last one waits for a thread only
            assert await is_required(wanted(users=["root"]), "nobody")
    finally:
        goes_on.set()
