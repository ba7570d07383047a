"""sudoers as sudo reads it, and what of it lets sudo go without asking."""

import pytest

from pam_agent.check_finding import Finding, Weight
from pam_agent.check_sudoers import MAX_DEPTH, judge

NEVER = "Defaults timestamp_timeout=0\n"
USED = ("sudo", "sudo-i")


def found(files: dict[str, str] | str) -> list[Finding]:
    texts = {"/etc/sudoers": files} if isinstance(files, str) else files
    return list(
        judge(
            "sudo",
            USED,
            texts.get,
            lambda folder: sorted(each for each in texts if each.startswith(f"{folder}/")),
        )
    )


def said(files: dict[str, str] | str) -> list[tuple[Weight, str, str]]:
    return [(each.weight, each.word, each.where) for each in found(files)]


def mistakes(files: dict[str, str] | str) -> list[tuple[str, str]]:
    return [(each.word, each.where) for each in found(files) if each.weight is Weight.MISTAKE]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "/etc/sudoers"),
        ("Defaults timestamp_timeout=5\n", "/etc/sudoers:1"),
        ("Defaults env_reset, timestamp_timeout = 0.5\n", "/etc/sudoers:1"),
        ("Defaults timestamp_timeout=0\nDefaults timestamp_timeout=-1\n", "/etc/sudoers:2"),
        ("# Defaults timestamp_timeout=0\n", "/etc/sudoers"),
        ("Defaults:ada timestamp_timeout=0\n", "/etc/sudoers"),
        ("Defaults env_reset # timestamp_timeout=0\n", "/etc/sudoers"),
        ('Defaults badpass_message="timestamp_timeout=0"\n', "/etc/sudoers"),
        ('Defaults badpass_message="a, timestamp_timeout=0"\n', "/etc/sudoers"),
        ("Defaults timestamp_timeout=0, timestamp_timeout=20\n", "/etc/sudoers:1"),
        ("\nDefaults \\\n  timestamp_timeout=10\n", "/etc/sudoers:2"),
        ("\nDefaults env_reset, \\\n  timestamp_timeout=10 \\", "/etc/sudoers:2"),
        ("Defaults timestamp_timeout=soon\n", "/etc/sudoers:1"),
        ("Defaults timestamp_timeout\n", "/etc/sudoers:1"),
        ("Defaults timestamp_timeout=0\n", None),
        ("Defaults timestamp_timeout=0\r\n", None),
        ('Defaults  timestamp_timeout="0"\n', None),
        ("Defaults !timestamp_timeout\n", None),
        ("Defaults timestamp_timeout=0 # timestamp_timeout=15\n", None),
        ('Defaults timestamp_timeout=0, passprompt="\\"#"\n', None),
        ("Defaults timestamp_timeout=15\nDefaults env_reset,timestamp_timeout=0\n", None),
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


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("Defaults !authenticate", "sudo-asks-nobody"),
        ("Defaults env_reset, ! authenticate", "sudo-asks-nobody"),
        ("Defaults exempt_group=wheel", "sudo-asks-nobody"),
        ("Defaults pam_service=other", "sudo-other-service"),
        ('Defaults pam_login_service="other"', "sudo-other-service"),
        ("Defaults authenticate", None),
        ("Defaults !!authenticate", None),
        ("Defaults !exempt_group", None),
        ("Defaults pam_service=sudo", None),
        ("Defaults pam_login_service=sudo", None),
    ],
)
def test_whom_sudo_never_asks(line: str, word: str | None) -> None:
    assert mistakes(NEVER + line) == ([(word, "/etc/sudoers:2")] if word else [])


@pytest.mark.parametrize(
    "scope", [":ada", ":ada, %admins", ":%admins", "@web1", ">root", "!/usr/bin/su", ": ada"]
)
@pytest.mark.parametrize(
    "setting", ["timestamp_timeout=30", "!authenticate", "exempt_group=x", "pam_service=other"]
)
def test_for_some_it_is_noted(scope: str, setting: str) -> None:
    text = f"{NEVER}Defaults{scope} env_reset, {setting}\n"
    assert said(text) == [(Weight.NOTE, "sudo-scoped", "/etc/sudoers:2")]


def test_what_asks_for_more_is_nothing() -> None:
    assert said(NEVER + "Defaults:ada timestamp_timeout=0, authenticate, insults\n") == []


@pytest.mark.parametrize(
    "line",
    ["ada ALL=(ALL) NOPASSWD: ALL", "ada ALL=(ALL) \\\n NOPASSWD: ALL", "#1000 ALL=NOPASSWD:ALL"],
)
def test_what_asks_nobody_is_noted(line: str) -> None:
    assert said(f"{NEVER}# a NOPASSWD: comment\n{line}\n") == [
        (Weight.NOTE, "sudo-nopasswd", "/etc/sudoers:3")
    ]


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["@includedir", "#includedir"])
def test_a_folder_in_its_place(word: str) -> None:
    main, part = "/etc/sudoers", "/etc/sudoers.d/b"
    five = "Defaults timestamp_timeout=5\n"
    assert mistakes({main: f"{five}{word} /etc/sudoers.d\n", part: NEVER}) == []
    assert mistakes({main: f'{word} "/etc/sudoers.d"\n{five}', part: NEVER}) == [
        ("sudo-timestamp", "/etc/sudoers:2")
    ]
    assert mistakes({main: "", part: NEVER}) == [("sudo-timestamp", "/etc/sudoers")]


def test_files_that_sudo_leaves_out() -> None:
    texts = {"/etc/sudoers": NEVER + "@includedir /etc/sudoers.d\n"}
    texts |= {f"/etc/sudoers.d/{name}": "Defaults !authenticate\n" for name in ("a.conf", "b~")}
    assert mistakes(texts) == []


@pytest.mark.parametrize("path", ["/etc/sudoers.extra", "sudoers.extra"])
def test_another_file(path: str) -> None:
    texts = {
        "/etc/sudoers": f"{NEVER}@include {path}\n",
        "/etc/sudoers.extra": "Defaults timestamp_timeout=9\n",
    }
    assert mistakes(texts) == [("sudo-timestamp", "/etc/sudoers.extra:1")]


def test_what_cannot_be_read_is_not_judged() -> None:
    (finding,) = found({"/etc/sudoers": "@include /etc/none\n"})
    assert (finding.weight, finding.where) == (Weight.UNCHECKED, "/etc/none")


def test_a_file_that_includes_itself() -> None:
    assert [each.weight for each in found("@include sudoers\n")] == [Weight.UNCHECKED]
    assert MAX_DEPTH == 128
