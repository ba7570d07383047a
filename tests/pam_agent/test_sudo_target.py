"""As whom sudo runs a command. tests/system/test_sudo.py asks the real one."""

import pytest

from pam_agent.sudo_target import target_of


@pytest.mark.parametrize(
    ("command", "target"),
    [
        ("sudo id", "root"),
        ("sudo -u bob id", "bob"),
        ("sudo -ubob id", "bob"),
        ("sudo -nu bob -H id", "bob"),
        ("sudo --user=bob id", "bob"),
        ("sudo --user bob -i", "bob"),
        ("sudo -u eve --user bob id", "bob"),
        ("sudo --user eve -u bob id", "bob"),
        ("sudo A=b -u bob id", "bob"),
        ("sudo -u bob A=b C=d id", "bob"),
        ("sudo -u '#1000' id", "#1000"),
        ("sudo -g docker id", "ada, group docker"),
        ("sudo -u bob -g docker id", "bob, group docker"),
        ("sudo -s", "root"),
        ("sudo echo 'x\u2026'", "root"),
        ("sudo --login -u bob", "bob"),
        ("sudoedit -u bob /etc/motd", "bob"),
    ],
)
def test_it_is_said_by_the_command_line(command: str, target: str) -> None:
    assert target_of(command, "ada") == target


@pytest.mark.parametrize(
    "command",
    [
        "sudo id -u bob",
        "sudo -- id -u bob",
        "sudo -- A=b -u bob id",
        "sudo /bin/a=b -u bob",
        "sudo -p '-u bob' id",
        "sudo -p 'x -u bob' id",
        "sudo -p x' -u 'bob id",
    ],
)
def test_what_only_looks_like_it_is_not_believed(command: str) -> None:
    assert target_of(command, "ada") == "root"


@pytest.mark.parametrize(
    "command",
    [
        *("", "sudo", "sudo -v", "sudo -l -U bob", "sudo -u", "sudo -u bob", "sudo -h web1 id"),
        *("sudo --preserve-env=PATH -u bob id", "sudo --unknown id", "sudo -u 'bo\u2026"),
        *("sudo -g ada -s A=xx\u2026", "sudo -i -p xx\u2026", "sudo id\u2026"),
    ],
)
def test_no_command_and_an_unclear_one_have_none(command: str) -> None:
    assert target_of(command, "ada") == ""
