"""Stacks with a mistake in them, and what is said of each."""

import pytest

from pam_agent.check_finding import Weight
from pam_agent.policy import Timers
from pam_agent.service_policy import Display, Secret, ServiceTable, policy
from pam_agent.stack_findings import UNAVAILABLE_GOES_ON, Asked, goes_without, is_used, judge
from tests.support.service_pages import COMMON_AUTH

OURS = "auth {} pam_bartizan.so\n"
REQUIRED = OURS.format("required")
UNIX = "auth requisite pam_unix.so\n"
EVERYBODY = ServiceTable()
SOME = ServiceTable(users=["ada"])
PASSWORD = ServiceTable(first_factor="password")
TAIL = ServiceTable(display=Display.SILENT, secret=Secret.TAIL)


def found(
    text: str,
    table: ServiceTable = EVERYBODY,
    *,
    weight: Weight = Weight.MISTAKE,
    other: str = "auth required pam_deny.so\n",
    proved_before: bool = False,
) -> list[tuple[str, str]]:
    """The word and the place of each finding of that weight."""
    files = {"demo": text, "common-auth": COMMON_AUTH, "other": other}
    asked = Asked("demo", policy("demo", table, Timers()), proved_before=proved_before)
    everything = list(judge(asked, files.get))
    assert all(each.service == "demo" for each in everything)
    assert all(bool(each.instead) == (each.weight is Weight.MISTAKE) for each in everything)
    return [(each.word, each.where) for each in everything if each.weight is weight]


def at(line: int, file: str = "/etc/pam.d/demo") -> str:
    return f"{file}:{line}"


@pytest.mark.parametrize(
    ("text", "table"),
    [
        (REQUIRED + "account required pam_unix.so\n", EVERYBODY),
        (UNIX + REQUIRED, PASSWORD),
        (UNIX + REQUIRED, SOME),
        ("@include common-auth\n" + REQUIRED, PASSWORD),
        (REQUIRED + "@include common-auth\n", EVERYBODY),
        (OURS.format("requisite") + UNIX, EVERYBODY),
        (OURS.format("sufficient") + "auth required pam_deny.so\n", EVERYBODY),
        (UNIX + UNAVAILABLE_GOES_ON + "\n", SOME),
        ("auth substack common-auth\n" + REQUIRED, EVERYBODY),
        (REQUIRED + "auth required pam_unix.so try_first_pass\n", TAIL),
        ("auth sufficient pam_rootok.so\n" + UNIX + REQUIRED, PASSWORD),
    ],
)
def test_nothing_is_wrong(text: str, table: ServiceTable) -> None:
    assert found(text, table) == []


MISTAKES = [
    # Ctrl-C, or a denial, and on it goes.
    (UNIX + OURS.format("sufficient"), EVERYBODY, [("optional", at(2))]),
    (UNIX + OURS.format("optional"), EVERYBODY, [("optional", at(2))]),
    (UNIX + OURS.format("[success=ok default=ignore]"), EVERYBODY, [("optional", at(2))]),
    (UNIX + OURS.format("[success=done conv_err=ignore]"), EVERYBODY, [("optional", at(2))]),
    (OURS.format("sufficient") + "@include common-auth\n", EVERYBODY, [("optional", at(1))]),
    (REQUIRED + "auth [default=reset] pam_env.so\n" + UNIX, EVERYBODY, [("optional", at(1))]),
    ("auth substack common-auth\n" + OURS.format("sufficient"), EVERYBODY, [("optional", at(2))]),
    # An order that leads past it.
    ("auth sufficient pam_unix.so\n" + REQUIRED, EVERYBODY, [("passed-by", at(1))]),
    (
        "auth [success=1 default=die] pam_unix.so\n" + REQUIRED + "auth required pam_permit.so\n",
        EVERYBODY,
        [("nobody", at(2)), ("passed-by", at(1))],
    ),
    (
        "auth sufficient pam_permit.so\n" + REQUIRED,
        EVERYBODY,
        [("nobody", at(2)), ("passed-by", at(1))],
    ),
    # Nobody gets in.
    (REQUIRED + "auth required pam_deny.so\n", EVERYBODY, [("nobody", at(1))]),
    (OURS.format("[success=1 default=die]"), EVERYBODY, [("nobody", at(1))]),
    (OURS.format("[sucess=ok]"), EVERYBODY, [("bad-line", at(1)), ("nobody", at(1))]),
    ("@include no-such\n" + REQUIRED, EVERYBODY, [("bad-line", at(1))]),
    (REQUIRED + "@include no-such\n", EVERYBODY, [("bad-line", at(2))]),
    # What libpam cannot use, though it was meant to be the line.
    (OURS.format("required").replace(".so", ".so\r"), EVERYBODY, [("bad-line", at(1))] * 2),
    (OURS.format("required").replace(".so", ""), EVERYBODY, [("bad-line", at(1))]),
    ("auth required Pam_Bartizan.so\n", EVERYBODY, [("bad-line", at(1))]),
    # A module that cannot be found never lets in.
    ("auth sufficient pam_unix.so\r\n" + REQUIRED, EVERYBODY, [("bad-line", at(1))]),
    (REQUIRED * 3, EVERYBODY, [("bad-line", at(3))]),
    # Users who need not sign on.
    (OURS.format("[success=ok default=die]"), SOME, [("exceptions-refused", at(1))]),
    (REQUIRED, SOME, [("exceptions-refused", at(1))]),
    (REQUIRED + "auth required pam_permit.so\n", SOME, [("exceptions-without-anything", at(1))]),
    # A first factor that is promised.
    (REQUIRED, PASSWORD, [("first-factor-not-guaranteed", at(1))]),
    (REQUIRED + UNIX, PASSWORD, [("first-factor-not-guaranteed", at(1))]),
    (
        "auth required pam_unix.so\n" + REQUIRED,
        PASSWORD,
        [("first-factor-not-guaranteed", at(2))],
    ),
    # A failure in a substack ends that only: the user is asked all the same.
    (
        "auth substack common-auth\n" + REQUIRED,
        PASSWORD,
        [("first-factor-not-guaranteed", at(2))],
    ),
    (
        "auth requisite pam_listfile.so\n" + REQUIRED,
        PASSWORD,
        [("first-factor-not-guaranteed", at(2))],
    ),
    (REQUIRED, TAIL, [("first-factor-unchecked", at(1))]),
    (REQUIRED + "auth optional pam_unix.so\n", TAIL, [("first-factor-unchecked", at(1))]),
    # Its own line.
    ("account required pam_bartizan.so\n", EVERYBODY, [("wrong-type", at(1))]),
    ("auth required pam_bartizan.so sokcet=/x\n", EVERYBODY, [("bad-option", at(1))]),
    ("auth required pam_bartizan.so socket=/x\n", EVERYBODY, [("other-socket", at(1))]),
    ("auth required pam_bartizan.so timeout=60\n", EVERYBODY, [("module-timeout", at(1))]),
    ("auth required pam_bartizan.so timeout=x\n", EVERYBODY, [("bad-option", at(1))]),
]


@pytest.mark.parametrize(("text", "table", "mistakes"), MISTAKES)
def test_a_mistake_is_found(
    text: str, table: ServiceTable, mistakes: list[tuple[str, str]]
) -> None:
    assert found(text, table) == mistakes


def test_what_sshd_has_seen_before_counts() -> None:
    assert found(REQUIRED, PASSWORD, proved_before=True) == []
    passing = REQUIRED + "auth required pam_permit.so\n"
    assert found(passing, SOME, proved_before=True) == []


def test_a_mistake_in_an_included_file_is_found_there() -> None:
    files = {
        "demo": "auth include /srv/pam/ours\n",
        "/srv/pam/ours": UNIX + OURS.format("optional"),
    }
    asked = Asked("demo", policy("demo", EVERYBODY, Timers()))
    assert [each.where for each in judge(asked, files.get)] == ["/srv/pam/ours:2"]


def test_notes_are_no_mistakes() -> None:
    goes_on = UNIX + UNAVAILABLE_GOES_ON + "\n"
    assert found(goes_on, weight=Weight.NOTE) == [("unavailable-goes-on", at(2))]
    root = "auth sufficient pam_rootok.so\n" + REQUIRED
    assert found(root, weight=Weight.NOTE) == [("root", at(2))]


def test_a_damaged_file_for_all_others_damages_all() -> None:
    assert found(REQUIRED, other="@include gone\n") == [("bad-line", at(1, "/etc/pam.d/other"))]


def test_the_way_in_is_told_in_words() -> None:
    files = {"demo": UNIX + OURS.format("sufficient")}
    asked = Asked("demo", policy("demo", EVERYBODY, Timers()))
    (finding,) = judge(asked, files.get)
    assert finding.wrong == (
        "`sufficient pam_bartizan.so` makes the factor optional: after a denial or Ctrl-C the stack"
        " goes on, and pam_unix.so (success), pam_bartizan.so (auth_err) lets in without it."
    )
    assert finding.instead.startswith("Write `auth required pam_bartizan.so`, or, ")


def test_who_uses_it() -> None:
    files = {
        "plain": UNIX,
        "ours": REQUIRED,
        "by-include": "@include ours\n",
        "misplaced": "session required pam_bartizan.so\n",
        "named-otherwise": "auth required pam_bartizan.so\r\n",
        "no-module": "auth required\u00a0pam_bartizan.so\n",
        "unreached": "@include none\n" + REQUIRED,
        "comment": UNIX + "# pam_bartizan.so\n",
        "argument": "auth required pam_exec.so /usr/bin/pam_bartizan.so\n",
    }
    assert [name for name in files if is_used(name, files.get)] == [
        "ours",
        "by-include",
        "misplaced",
        "named-otherwise",
        "no-module",
        "unreached",
    ]


@pytest.mark.parametrize(
    ("text", "goes"),
    [
        (UNIX, True),
        (REQUIRED, False),
        (UNIX + UNAVAILABLE_GOES_ON + "\n", True),
        ("auth sufficient pam_rootok.so\nauth required pam_deny.so\n", False),
        (UNIX + "@include none\n", False),
    ],
)
def test_what_goes_without(text: str, goes: bool) -> None:
    assert goes_without("demo", {"demo": text}.get) is goes


@pytest.mark.parametrize(
    ("text", "end"),
    [
        (REQUIRED + "auth required\n", "; libpam takes it for a failure."),
        ("@include none\n" + REQUIRED, "; libpam gives up: nobody can sign on."),
        (REQUIRED + "auth required pam_unix.so nullok\r\n", "a part of its last word."),
    ],
)
def test_what_comes_of_a_line_is_told(text: str, end: str) -> None:
    asked = Asked("demo", policy("demo", EVERYBODY, Timers()))
    (finding,) = [each for each in judge(asked, {"demo": text}.get) if each.word == "bad-line"]
    assert finding.wrong.endswith(end)
