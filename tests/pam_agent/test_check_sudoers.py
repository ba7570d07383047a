"""What of sudoers lets sudo go without asking; tests/pam_agent/test_sudoers.py reads it."""

import pytest

from pam_agent.check_finding import Finding, Weight
from pam_agent.check_sudoers import judge, services
from pam_agent.sudoers import MAIN, Files, read

NEVER = "Defaults timestamp_timeout=0\n"
USED = ("sudo", "sudo-i")


def found(
    text: str, *, refused: str = "", meant: tuple[str, ...] = (), service: str = "sudo"
) -> list[Finding]:
    files = Files(
        {MAIN: text, "/etc/part": NEVER}.get,
        lambda path: path == "/etc/none",
        lambda folder: [f"{folder}/part"],
        lambda path: refused if path == "/etc/part" else "",
        "web1",
    )
    return list(judge(service, USED, read(files), meant))


def said(text: str, refused: str = "") -> list[tuple[Weight, str, str]]:
    return [(each.weight, each.word, each.where) for each in found(text, refused=refused)]


def mistakes(text: str) -> list[tuple[str, str]]:
    return [(each.word, each.where) for each in found(text) if each.weight is Weight.MISTAKE]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", MAIN),
        ("Defaults timestamp_timeout=5\n", f"{MAIN}:1"),
        ("Defaults timestamp_timeout=0\nDefaults timestamp_timeout=-1\n", f"{MAIN}:2"),
        ("Defaults timestamp_timeout=0, timestamp_timeout=20\n", f"{MAIN}:1"),
        ("Defaults:ada timestamp_timeout=0\n", MAIN),
        ("Defaults:ALL timestamp_timeout=5\n", f"{MAIN}:1"),
        ("@include part\nDefaults timestamp_timeout=5\n", f"{MAIN}:2"),
        ("Defaults timestamp_timeout=5\n@include part\n", None),
        ("Defaults timestamp_timeout=0\n", None),
        ("Defaults !timestamp_timeout\n", None),
    ],
)
def test_sudos_memory(text: str, place: str | None) -> None:
    assert mistakes(text) == ([("sudo-timestamp", place)] if place else [])


def test_how_long_is_told() -> None:
    for text, words in (
        ("Defaults timestamp_timeout=5\n", "for 5 minutes"),
        ("Defaults timestamp_timeout=-1\n", "until the next start"),
        ("", "for 15 minutes"),
    ):
        (finding,) = found(text)
        assert words in finding.wrong


@pytest.mark.parametrize("scope", ["", ":ALL", "@ALL", ">ALL", "!ALL", ":ada,ALL"])
@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("!authenticate", "sudo-asks-nobody"),
        ("exempt_group=wheel", "sudo-asks-nobody"),
        ("pam_service=other", "sudo-other-service"),
        ("pam_login_service=other", "sudo-other-service"),
        ("authenticate", None),
        ("!exempt_group", None),
        ("pam_service=sudo", None),
        ("pam_login_service=sudo", None),
    ],
)
def test_whom_sudo_never_asks(scope: str, setting: str, word: str | None) -> None:
    expected = [(word, f"{MAIN}:2")] if word else []
    assert mistakes(f"{NEVER}Defaults{scope} {setting}\n") == expected


@pytest.mark.parametrize("scope", [":ada", ":ada, %admins", "@web1", ">root", "!/usr/bin/su"])
def test_for_some_it_is_noted_or_has_to_be_meant(scope: str) -> None:
    for setting in ("!authenticate", "exempt_group=x", "pam_service=other"):
        text = f"{NEVER}Defaults{scope} env_reset, {setting}\n"
        assert said(text) == [(Weight.NOTE, "sudo-scoped", f"{MAIN}:2")]
    text = f"{NEVER}Defaults{scope} timestamp_timeout=30\n"
    (finding,) = found(text)
    assert (finding.weight, finding.word, finding.where) == (
        Weight.MISTAKE,
        "sudo-timestamp",
        f"{MAIN}:2",
    )
    name = "Defaults" + scope.replace(" ", "")
    assert finding.instead.endswith(f"--meant '{name}'.")
    (finding,) = found(text, meant=("Defaults:x", f"Defaults{scope}"))
    assert (finding.weight, finding.word) == (Weight.NOTE, "sudo-timestamp")


def test_as_which_services_sudo_asks() -> None:
    def asks(text: str) -> tuple[str, str]:
        nothing = Files(lambda _: text, lambda _: False, lambda _: [], lambda _: "", "h")
        return services(read(nothing))

    assert asks("") == ("sudo", "sudo-i")
    assert asks("Defaults pam_login_service=a\nDefaults:ada pam_service=b\n") == ("sudo", "a")


def test_what_asks_for_more_is_nothing() -> None:
    assert said(NEVER + "Defaults:ada timestamp_timeout=0, authenticate, insults\n") == []


def test_what_asks_nobody_is_noted() -> None:
    assert said(f"{NEVER}ada ALL=(ALL) NOPASSWD: ALL\n") == [
        (Weight.NOTE, "sudo-nopasswd", f"{MAIN}:2")
    ]


def test_what_cannot_be_read_is_not_judged() -> None:
    assert said("@include closed\n@include closed\n") == [
        (Weight.UNCHECKED, "sudoers-not-read", "/etc/closed")
    ]


def test_what_sudo_cannot_read_does_not_count() -> None:
    assert said(f"{NEVER}@include none\nDefaults !authenticate x\n") == [
        (Weight.UNCHECKED, "sudoers-not-read", "/etc/none"),
        (Weight.UNCHECKED, "sudoers-not-read", f"{MAIN}:3"),
    ]


@pytest.mark.parametrize("line", ["@include part\n", "@includedir /etc\n"])
def test_a_file_that_sudo_takes_for_unsafe_does_not_count(line: str) -> None:
    assert said(line, refused="writable for everybody") == [
        (Weight.MISTAKE, "sudoers-left-out", "/etc/part"),
        (Weight.MISTAKE, "sudo-timestamp", MAIN),
    ]
