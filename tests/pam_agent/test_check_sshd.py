"""What `sshd -T` says, and what is wrong with it."""

import pytest

from pam_agent.check_finding import Weight
from pam_agent.check_sshd import judge, method_lists, parse, proves_before
from pam_agent.policy import Timers
from pam_agent.service_policy import ServiceTable, policy

BOTH = "publickey,keyboard-interactive"
POLICY = policy("sshd", ServiceTable(), Timers())
GOOD = {
    "usepam": "yes",
    "kbdinteractiveauthentication": "yes",
    "passwordauthentication": "no",
    "pubkeyauthentication": "yes",
    "authenticationmethods": BOTH,
    "logingracetime": "120",
    "maxstartups": "10:30:100",
}


def words(**changed: str) -> list[str]:
    found = list(judge(GOOD | changed, POLICY))
    assert all(each.weight is Weight.MISTAKE and each.instead for each in found)
    assert all(each.where == "/etc/ssh/sshd_config" for each in found)
    return [each.word for each in found]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"authenticationmethods": "keyboard-interactive:pam"}, []),
        (
            {"authenticationmethods": f"{BOTH} hostbased,keyboard-interactive"},
            [],
        ),
        ({"authenticationmethods": "any", "pubkeyauthentication": "no"}, []),
        ({"passwordauthentication": "yes"}, []),  # no list has it
        ({"usepam": "no"}, ["ssh-use-pam"]),
        ({"kbdinteractiveauthentication": "no"}, ["ssh-keyboard-interactive"]),
        ({"authenticationmethods": "any"}, ["ssh-method-without"]),
        (
            {"authenticationmethods": f"{BOTH} publickey"},
            ["ssh-method-without"],
        ),
        ({"authenticationmethods": "publickey,password"}, ["ssh-password"]),
        ({"authenticationmethods": "password,keyboard-interactive"}, ["ssh-password"]),
        (
            {"authenticationmethods": "any", "passwordauthentication": "yes"},
            ["ssh-method-without", "ssh-password"],
        ),
        (
            {"authenticationmethods": "publickey,keyboard-interactive:bsdauth"},
            ["ssh-method-without"],
        ),
        ({"permitemptypasswords": "yes"}, ["ssh-empty-passwords"]),
        ({"permitemptypasswords": "no"}, []),
        ({"logingracetime": "60"}, ["ssh-grace-time"]),
        ({"logingracetime": "109"}, ["ssh-grace-time"]),
        ({"logingracetime": "110"}, []),
        ({"logingracetime": "0"}, []),
        ({"maxstartups": "9:30:60"}, ["ssh-max-startups"]),
        ({"maxstartups": "3"}, ["ssh-max-startups"]),
        ({"maxstartups": "10"}, []),
    ],
)
def test_mistakes(changed: dict[str, str], expected: list[str]) -> None:
    assert words(**changed) == expected


def test_what_is_not_said_is_what_sshd_does_without() -> None:
    said = {each.word for each in judge({}, POLICY)}
    assert said == {"ssh-use-pam", "ssh-keyboard-interactive"}


def test_its_output_is_read() -> None:
    text = "port 22\nusepam yes\nusepam no\nauthenticationmethods a,b c\nsubsystem sftp /x y\n\n"
    assert parse(text) == {
        "port": "22",
        "usepam": "yes",
        "authenticationmethods": "a,b c",
        "subsystem": "sftp /x y",
        "": "",
    }


def test_the_lists_of_methods() -> None:
    assert method_lists(GOOD) == [("publickey", "keyboard-interactive")]
    any_one = GOOD | {"authenticationmethods": "any", "gssapiauthentication": "yes"}
    assert method_lists(any_one) == [
        ("publickey",),
        ("keyboard-interactive",),
        ("gssapi-with-mic",),
    ]


@pytest.mark.parametrize(
    ("methods", "proves"),
    [
        ("publickey,keyboard-interactive", True),
        ("publickey,keyboard-interactive:pam hostbased,keyboard-interactive", True),
        ("keyboard-interactive", False),
        ("publickey,keyboard-interactive keyboard-interactive,publickey", False),
        ("publickey", False),
        ("any", False),
    ],
)
def test_what_sshd_has_seen_before_it_asks(methods: str, proves: bool) -> None:
    assert proves_before(GOOD | {"authenticationmethods": methods}) is proves
