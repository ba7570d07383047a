import itertools

import pytest

from pam_agent.methods import Method
from pam_agent.policy import Timers
from pam_agent.service_policy import (
    DEFAULT_METHODS,
    KNOWN,
    MEANT_FOR,
    Display,
    Secret,
    ServiceTable,
    methods_for,
    nonsense,
    policy,
    policy_of,
)

TIMERS = Timers()
APPROVE = frozenset({Method.APPROVE})


def wrong(name: str = "odd", timers: Timers = TIMERS, **keys: object) -> list[str]:
    return list(nonsense(name, ServiceTable(**keys), timers))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("service", "display", "methods"),
    [
        ("sshd", Display.PROMPT, APPROVE),
        ("sudo", Display.INFO, APPROVE),
        ("sudo-i", Display.INFO, APPROVE),
        ("su", Display.INFO, APPROVE),
        ("su-l", Display.INFO, APPROVE),
        ("login", Display.INFO, APPROVE),
        ("postgresql", Display.SILENT, {Method.TICKET}),
        ("dovecot", Display.SILENT, {Method.TICKET}),
        ("cron", Display.REFUSE, frozenset()),
        ("atd", Display.REFUSE, frozenset()),
        ("something-else", Display.PROMPT, APPROVE),
        ("", Display.PROMPT, APPROVE),
    ],
)
def test_what_is_known_of_a_service(
    service: str, display: Display, methods: frozenset[Method]
) -> None:
    found = policy_of(service, {}, TIMERS)
    assert (found.display, found.methods) == (display, methods)
    assert found.for_everybody
    assert (found.lease, found.first_factor, found.qr) == (0, "", False)
    assert found.secret is Secret.WHOLE
    assert found.shows_passcode is (display in (Display.PROMPT, Display.INFO))


def test_the_configuration_decides_first() -> None:
    named = policy("sshd", ServiceTable(display=Display.INFO), TIMERS)
    assert policy_of("sshd", {"sshd": named}, TIMERS) is named
    assert policy_of("sudo", {"sshd": named}, TIMERS) == policy("sudo", ServiceTable(), TIMERS)


def test_every_key() -> None:
    table = ServiceTable(
        display=Display.SILENT,
        methods=[Method.TOTP],
        validation=20,
        acknowledgement=10,
        sign_on=50,
        lease=60,
        users=["ada"],
        groups=["admins"],
        first_factor="password",
        secret=Secret.TAIL,
    )
    found = policy("sshd", table, TIMERS)
    assert found.display is Display.SILENT
    assert found.methods == {Method.TOTP}
    assert found.timers == Timers(validation=20, acknowledgement=10, sign_on=50)
    assert (found.lease, found.users, found.groups) == (60, {"ada"}, {"admins"})
    assert (found.first_factor, found.secret) == ("password", Secret.TAIL)
    assert not found.for_everybody
    assert not policy("sshd", ServiceTable(groups=["admins"]), TIMERS).for_everybody
    assert not policy("sshd", ServiceTable(users=["ada"]), TIMERS).for_everybody
    assert policy("sshd", ServiceTable(qr=True), TIMERS).qr
    assert list(nonsense("sshd", table, TIMERS)) == []


def test_an_accounts_own_methods() -> None:
    shown, silent = policy_of("sshd", {}, TIMERS), policy_of("dovecot", {}, TIMERS)
    assert methods_for(shown, None) == shown.methods
    assert methods_for(shown, frozenset(Method)) == {Method.APPROVE, Method.TOTP}
    both = ServiceTable(methods=[Method.APPROVE, Method.CODE])
    shown = policy("sshd", both, TIMERS)
    assert methods_for(shown, frozenset(Method)) == {Method.APPROVE, Method.CODE, Method.TOTP}
    assert methods_for(shown, frozenset({Method.TICKET})) == frozenset()
    assert methods_for(shown, frozenset({Method.CODE})) == {Method.CODE}
    assert methods_for(silent, frozenset(Method)) == {Method.TICKET, Method.TOTP}
    assert methods_for(policy_of("cron", {}, TIMERS), frozenset(Method)) == frozenset()


# ---- waits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "limit"), [("sshd", 120), ("login", 60), ("postgresql", 60), ("dovecot", 60)]
)
def test_waits_fit_under_the_callers_own_limit(service: str, limit: float) -> None:
    found = policy_of(service, {}, TIMERS).timers
    assert found.queue + found.validation + found.acknowledgement <= found.sign_on < limit
    assert f"{limit} s" in KNOWN[service].gives_up


def test_where_nothing_is_known_the_timers_of_all_count() -> None:
    timers = Timers(validation=200, acknowledgement=100, sign_on=400)
    assert policy_of("sudo", {}, timers).timers == timers
    assert policy_of("odd", {}, timers).timers == timers


def test_shorter_timers_of_all_count_for_known_services_too() -> None:
    timers = Timers(validation=12, acknowledgement=6, sign_on=30)
    assert policy_of("login", {}, timers).timers == timers


def test_what_is_known_gives_way_to_what_the_steps_need() -> None:
    found = policy_of("sshd", {}, Timers(validation=100, acknowledgement=100, sign_on=400))
    assert found.timers.sign_on == 202


def test_what_was_chosen_for_a_service_counts() -> None:
    table = ServiceTable(validation=90, acknowledgement=60, sign_on=170)
    found = policy("login", table, TIMERS).timers
    assert (found.validation, found.acknowledgement, found.sign_on) == (90, 60, 170)
    assert (found.queue, found.confirm) == (TIMERS.queue, TIMERS.confirm)


# ---- what makes no sense -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*KNOWN, "odd"])
def test_the_defaults_make_sense(name: str) -> None:
    assert wrong(name) == []


EVERY = [
    (display, chosen)
    for display in Display
    for count in range(len(Method) + 1)
    for chosen in itertools.combinations(Method, count)
]


@pytest.mark.parametrize(("display", "methods"), EVERY)
def test_methods_are_those_that_a_display_can_do(
    display: Display, methods: tuple[Method, ...]
) -> None:
    meant = MEANT_FOR[display]
    good = set(methods) <= set(meant) and bool(methods) is bool(meant)
    found = wrong(display=display, methods=list(methods))
    assert (found == []) is good
    assert all(each.startswith("methods: found ") for each in found)


def test_default_methods_are_meant_for_their_display() -> None:
    for display, methods in DEFAULT_METHODS.items():
        assert set(methods) <= set(MEANT_FOR[display])
        assert Method.TOTP not in methods


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"display": Display.SILENT, "methods": [Method.APPROVE]},
            'methods: found approve with display = "silent", expected ticket or totp',
        ),
        ({"methods": []}, "methods: found none, expected approve or code or totp"),
        (
            {"display": Display.REFUSE, "methods": [Method.CODE]},
            'methods: found code with display = "refuse", expected none',
        ),
        ({"secret": Secret.TAIL}, 'secret: found with display = "prompt", expected with "silent"'),
        ({"methods": [Method.TOTP], "qr": True}, "qr: found where no passcode is shown"),
        ({"display": Display.SILENT, "qr": True}, "qr: found where no passcode is shown"),
        ({"display": Display.REFUSE, "lease": 1}, "lease: found where every sign-on is refused"),
        ({"users": []}, "users: found none, expected at least one name, or no key for everybody"),
        ({"groups": []}, "groups: found none, expected at least one name"),
        ({"users": ["ada", "\u202e"]}, "users: expected printable names"),
        ({"groups": ["a\nb"]}, "groups: expected printable names"),
        ({"first_factor": "pass\0word"}, "first_factor: expected printable text"),
        (
            {"sign_on": 106},
            "sign_on: found 106, expected at least timers.queue + validation + acknowledgement,"
            " 107",
        ),
    ],
)
def test_what_makes_no_sense(keys: dict[str, object], expected: str) -> None:
    (found,) = wrong(**keys)
    assert found.startswith(expected)


def test_just_enough_time_makes_sense() -> None:
    assert wrong(sign_on=107) == []
    assert wrong(validation=20, acknowledgement=10, sign_on=32) == []


@pytest.mark.parametrize(
    ("table", "display"),
    [
        (ServiceTable(), Display.INFO),
        (ServiceTable(methods=[Method.APPROVE, Method.CODE]), Display.INFO),
        (ServiceTable(methods=[Method.APPROVE, Method.TOTP]), Display.PROMPT),
        (ServiceTable(methods=[Method.TOTP]), Display.PROMPT),
        (ServiceTable(methods=[Method.APPROVE, Method.TOTP], display=Display.INFO), Display.INFO),
    ],
)
def test_who_has_an_app_only_is_asked_for_its_code(table: ServiceTable, display: Display) -> None:
    assert policy("sudo", table, TIMERS).display is display
    assert policy("dovecot", table, TIMERS).display is (table.display or Display.SILENT)
