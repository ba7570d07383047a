import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_agent.leases import MAX_LEASES, LeaseKey, Leases, is_address

KEY = LeaseKey(0, "ada", "ada", "sshd", "192.0.2.1", "publickey")
LASTS = 60.0


def leases(most: int = MAX_LEASES) -> Leases:
    return Leases(b"\x01" * 32, most)


def other(**changes: object) -> LeaseKey:
    fields = {
        "caller": 0,
        "user": "ada",
        "account": "ada",
        "service": "sshd",
        "remote": "192.0.2.1",
        "first_factor": "publickey",
        "typed": b"",
    }
    return LeaseKey(**(fields | changes))  # type: ignore[arg-type]


def test_a_lease_holds_for_its_time() -> None:
    found = leases()
    assert not found.covers(KEY, LASTS, 0)
    found.grant(KEY, found.moment(), 100)
    assert found.covers(KEY, LASTS, 100)
    assert found.covers(KEY, LASTS, 159.9)
    assert not found.covers(KEY, LASTS, 160)
    assert len(found) == 0
    assert not found.covers(KEY, LASTS, 100)


def test_its_length_is_that_of_the_policy_when_it_is_used() -> None:
    found = leases()
    found.grant(KEY, found.moment(), 100)
    assert not found.covers(KEY, 10, 111)


def test_to_be_used_does_not_prolong_it() -> None:
    found = leases()
    found.grant(KEY, found.moment(), 100)
    assert found.covers(KEY, LASTS, 159)
    assert not found.covers(KEY, LASTS, 161)


def test_to_be_granted_again_does() -> None:
    found = leases()
    found.grant(KEY, found.moment(), 100)
    found.grant(KEY, found.moment(), 150)
    assert found.covers(KEY, LASTS, 209)
    assert len(found) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"caller": 1000},
        {"user": "root"},
        {"account": "root"},
        {"service": "sudo"},
        {"remote": "192.0.2.2"},
        {"first_factor": "password"},
        {"typed": b"\x02" * 32},
    ],
)
def test_it_is_for_nobody_else(changes: dict[str, object]) -> None:
    found = leases()
    found.grant(KEY, found.moment(), 100)
    assert found.covers(other(), LASTS, 100)
    assert not found.covers(other(**changes), LASTS, 100)


def test_how_many_hold_by_how_long_each_service_has_them() -> None:
    found = leases()
    for service in ("sshd", "sudo", "other"):
        found.grant(other(service=service), found.moment(), 100)
    assert found.holding({"sshd": 60, "sudo": 30}, 120) == 2
    assert found.holding({"sshd": 60, "sudo": 30}, 130) == 1
    assert found.holding({"sshd": 60}, 200) == len(found) == 0


def test_all_of_an_account_end() -> None:
    found = leases()
    for key in (KEY, other(service="sudo"), other(user="root", account="root")):
        found.grant(key, found.moment(), 100)
    assert found.end("ada") == 2
    assert not found.covers(KEY, LASTS, 100)
    assert found.covers(other(user="root", account="root"), LASTS, 100)
    assert found.end("nobody") == 0


def test_what_was_seen_before_an_end_grants_nothing() -> None:
    found = leases()
    moment = found.moment()
    found.end("ada")
    found.grant(KEY, moment, 100)
    assert not found.covers(KEY, LASTS, 100)


def test_the_oldest_goes() -> None:
    found = leases(most=2)
    keys = [other(remote=str(number)) for number in range(3)]
    for key in keys[:2]:
        found.grant(key, found.moment(), 100)
    found.grant(keys[0], found.moment(), 101)
    found.grant(keys[2], found.moment(), 102)
    assert [found.covers(key, LASTS, 102) for key in keys] == [True, False, True]


def test_the_default_bound() -> None:
    found = leases()
    for number in range(MAX_LEASES + 1):
        found.grant(other(remote=str(number)), found.moment(), 100)
    assert len(found) == MAX_LEASES


def test_a_mark_is_of_the_secret_and_of_the_key() -> None:
    one, two = Leases(b"\x01" * 32), Leases(b"\x02" * 32)
    assert one.mark("7Q2KM9XW4P") == one.mark("7Q2KM9XW4P")
    assert one.mark("7Q2KM9XW4P") != one.mark("7Q2KM9XW4Q")
    assert one.mark("7Q2KM9XW4P") != two.mark("7Q2KM9XW4P")
    assert len(one.mark("")) == 32
    assert one.mark("\ufffd")


def test_a_key_has_its_length() -> None:
    with pytest.raises(ValueError, match="another length"):
        Leases(b"short")


@given(
    st.lists(
        st.tuples(st.sampled_from("ge"), st.sampled_from("abc"), st.integers(0, 20)), max_size=40
    )
)
def test_it_is_an_obvious_list(steps: list[tuple[str, str, int]]) -> None:
    found, granted, now = leases(), dict[str, int](), 0
    for what, account, waits in steps:
        now += waits
        if what == "g":
            found.grant(other(account=account), found.moment(), now)
            granted[account] = now
        else:
            found.end(account)
            granted.pop(account, None)
        for each in "abc":
            holds = each in granted and now < granted[each] + LASTS
            assert found.covers(other(account=each), LASTS, now) is holds


@pytest.mark.parametrize(
    ("remote", "known"),
    [
        ("192.0.2.1", True),
        ("2001:db8::1", True),
        ("fe80::1%eth0", True),
        ("::ffff:192.0.2.1", True),
        ("", False),
        ("UNKNOWN", False),
        ("[local]", False),
        ("client.example", False),
        (" 192.0.2.1", False),
    ],
)
def test_what_says_where_somebody_comes_from(remote: str, known: bool) -> None:
    assert is_address(remote) is known
