"""What the module tells the agent of its caller, and what it writes to the log."""

import shlex
import syslog
from pathlib import Path

import pytest

from pam_agent.local_wire import Result, Start
from tests.support.module_host import Host
from tests.support.pam import Ending, Fails, Message, PamCode, Reply, Style, build_driver
from tests.support.scripted_agent import Caller

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDtp"
MAX_FIELD = 256
MAX_NOTE = 1024


class Listener:
    """An agent's script that keeps what it is told and approves."""

    def __init__(self) -> None:
        self.heard: list[Start] = []

    async def __call__(self, caller: Caller) -> None:
        self.heard.append(await caller.start())
        await caller.end(Result.APPROVED)


async def test_the_items_of_the_stack_are_told(host: Host) -> None:
    listener = Listener()
    async with host.agent(listener), host.caller() as pam:
        await pam.set_item("ruser", "bob")
        await pam.set_item("rhost", "2001:db8::7")
        await pam.set_item("tty", "/dev/pts/3")
        await pam.put_environment(f"SSH_AUTH_INFO_0=publickey {KEY}")
        await pam.authenticate()
    assert listener.heard == [
        Start("demo", "alice", "bob", "2001:db8::7", "/dev/pts/3", "publickey")
    ]


async def test_what_is_not_known_is_left_out(host: Host) -> None:
    listener = Listener()
    async with host.agent(listener), host.caller() as pam:
        await pam.set_item("rhost", "")
        await pam.authenticate()
    assert listener.heard == [Start("demo", "alice")]


@pytest.mark.parametrize(
    ("lines", "methods"),
    [
        (f"publickey {KEY}\npassword\n", "publickey,password"),
        (f"publickey {KEY}\npublickey {KEY}", "publickey,publickey"),
        ("hostbased ssh-rsa AAAA", "hostbased"),
        ("gssapi-with-mic a@B.ORG", "gssapi-with-mic"),
        ("\n\npassword", "password"),
        (f"publickey {KEY}\n\npassword", "publickey,password"),
        (" leading", ""),
        ("", ""),
        ("\x1b[2J", ""),
        ("key\x1b[2J", "key"),
        ("\n".join(["a" * 100] * 5), "a" * 100 + "," + "a" * 100),
        ("x" * 257 + "\npassword", "password"),
        ("x" * 256, "x" * 256),
    ],
)
async def test_of_earlier_factors_only_the_methods_are_told(
    host: Host, lines: str, methods: str
) -> None:
    listener = Listener()
    async with host.agent(listener), host.caller() as pam:
        await pam.put_environment(f"SSH_AUTH_INFO_0={lines}")
        await pam.authenticate()
    assert [start.first_factor for start in listener.heard] == [methods]


@pytest.mark.parametrize("service", ["sudo", "sudo-i"])
async def test_sudo_tells_its_command_line(host: Host, service: str) -> None:
    listener = Listener()
    arguments = ("-u", "bob", "sh", "-c", "echo \u2588 \x1b[2J\n", b"\xff\xfe", "")
    stack = host.stack(service=service)
    async with host.agent(listener), host.caller(stack, arguments=arguments) as pam:
        await pam.authenticate()
    (start,) = listener.heard
    assert start.note.endswith(f"/pam.d {service} alice -u bob sh -c 'echo \u2588 ?[2J?' '??' ''")


async def test_each_argument_of_sudo_is_told_apart(host: Host) -> None:
    """By the rules of a shell, to which Python's are another witness."""
    listener = Listener()
    told = (
        "a b",
        "a",
        "b",
        "",
        "it's",
        "'",
        "''",
        '"',
        "a\\b",
        "x=1",
        "~",
        "*",
        "-p",
        "$(id)",
        "é",
    )
    async with (
        host.agent(listener),
        host.caller(host.stack(service="sudo"), arguments=told) as pam,
    ):
        await pam.authenticate()
    (start,) = listener.heard
    assert tuple(shlex.split(start.note)[-len(told) :]) == told
    assert start.note.endswith(" -p '$(id)' 'é'")


@pytest.mark.parametrize("filling", ["'" * 2000, "\0".join(["'"] * 600), " " * 2000])
async def test_what_takes_most_room_is_cut_like_all_else(host: Host, filling: str) -> None:
    listener = Listener()
    arguments = tuple(filling.split("\0"))
    async with (
        host.agent(listener),
        host.caller(host.stack(service="sudo"), arguments=arguments) as pam,
    ):
        await pam.authenticate()
    (start,) = listener.heard
    assert start.note.endswith("\u2026")
    assert len(start.note.encode()) <= MAX_NOTE


@pytest.mark.parametrize("service", ["sudo", "sudo-i"])
async def test_sudo_tells_where_it_was_called(
    host: Host, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    plain = tmp_path / "a place \u2588"
    hostile = tmp_path / "x\x1b[2J\n"
    deep = tmp_path.joinpath(*["d" * 200] * 2)
    for folder in (plain, hostile, deep):
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        async with host.agent(listener), host.caller(host.stack(service=service)) as pam:
            await pam.authenticate()
    first, second, third = (start.directory for start in listener.heard)
    assert (first, second) == (str(plain), f"{tmp_path}/x?[2J?")
    assert third.endswith("d\u2026")
    assert str(deep).startswith(third[:-1])
    assert len(third.encode()) <= MAX_FIELD


async def test_a_directory_that_is_gone_is_left_out(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    gone = tmp_path / "gone"
    gone.mkdir()
    build_driver(sanitized=host.sanitized)
    stack = host.stack(service="sudo")
    monkeypatch.chdir(gone)
    gone.rmdir()
    async with host.agent(listener), host.caller(stack) as pam:
        await pam.authenticate()
    assert [start.directory for start in listener.heard] == [""]


@pytest.mark.parametrize("service", ["sshd", "su", "sudo2", "login", "doas"])
async def test_no_other_service_does(host: Host, service: str) -> None:
    listener = Listener()
    async with host.agent(listener), host.caller(host.stack(service=service)) as pam:
        await pam.authenticate()
    assert [(start.note, start.directory) for start in listener.heard] == [("", "")]


async def test_nothing_hides_behind_the_cut_of_a_long_command(host: Host) -> None:
    """Whatever the length, the note is the whole command or ends in an ellipsis."""
    listener = Listener()
    stack = host.stack(service="sudo")
    async with host.agent(listener):
        async with host.caller(stack) as pam:
            await pam.authenticate()
        bare = len(listener.heard.pop().note.encode())
        for size in range(MAX_NOTE - bare - 8, MAX_NOTE - bare + 4):
            filling = "x" * (size - 1)
            async with host.caller(stack, arguments=(filling, "rm")) as pam:
                await pam.authenticate()
            note = listener.heard.pop().note
            assert len(note.encode()) <= MAX_NOTE
            whole = bare + size + 3 <= MAX_NOTE
            assert note.endswith(f"{filling} rm" if whole else "\u2026"), size


@pytest.mark.parametrize("behind", [("", "", "rm"), ("\u2588" * 20,), ("\U0001f511" * 20,)])
async def test_a_cut_falls_between_characters_and_shows(
    host: Host, behind: tuple[str, ...]
) -> None:
    listener = Listener()
    stack = host.stack(service="sudo")
    async with host.agent(listener):
        async with host.caller(stack) as pam:
            await pam.authenticate()
        bare = len(listener.heard.pop().note.encode())
        for size in range(MAX_NOTE - bare - 8, MAX_NOTE - bare + 2):
            async with host.caller(stack, arguments=("x" * (size - 1), *behind)) as pam:
                await pam.authenticate()
            note = listener.heard.pop().note
            assert note.endswith(("\u2026", "rm"))
            assert "?" not in note
            assert "\ufffd" not in note
            assert MAX_NOTE - 8 <= len(note.encode()) <= MAX_NOTE


async def test_a_long_name_is_refused_and_never_cut_to_anothers(host: Host) -> None:
    listener = Listener()
    async with host.agent(listener):
        async with host.caller(user="a" * MAX_FIELD) as pam:
            assert (await pam.authenticate()).code is PamCode.SUCCESS
        async with host.caller(user="a" * (MAX_FIELD + 1)) as pam:
            ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "bad-name")
    assert [start.user for start in listener.heard] == ["a" * MAX_FIELD]


async def test_long_fields_that_are_only_shown_are_cut(host: Host) -> None:
    listener = Listener()
    async with host.agent(listener), host.caller() as pam:
        for item in ("ruser", "rhost", "tty"):
            await pam.set_item(item, item[0] * 1000)
        await pam.authenticate()
    (start,) = listener.heard
    assert (start.ruser, start.rhost, start.tty) == ("r" * 256, "r" * 256, "t" * 256)


async def test_a_user_who_is_not_known_yet_is_asked_for(host: Host) -> None:
    listener = Listener()

    async def say(message: Message) -> Reply:
        assert message.style is Style.PROMPT_ECHO_ON
        return "carol"

    async with host.agent(listener), host.caller(user="") as pam:
        await pam.authenticate(say)
    assert [start.user for start in listener.heard] == ["carol"]


async def refuse(message: Message) -> Reply:
    return Fails()


async def say_nothing(message: Message) -> Reply:
    return b""


async def test_without_a_user_there_is_no_sign_on(host: Host) -> None:
    listener = Listener()
    async with host.agent(listener), host.caller(user="") as pam:
        ending = await pam.authenticate(refuse)
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "no-user")
    assert listener.heard == []


async def test_an_empty_user_is_no_name(host: Host) -> None:
    listener = Listener()
    async with host.agent(listener), host.caller(user="") as pam:
        ending = await pam.authenticate(say_nothing)
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "bad-name")
    assert listener.heard == []


def lines_of(ending: Ending) -> list[str]:
    return [text for _, text in ending.log if "outcome=" in text]


@pytest.mark.parametrize(
    ("user", "logged"),
    [
        ("alice", "alice"),
        ("al\nice\x1b[2J", "al?ice?[2J"),
        (b"caf\xe9", "caf?"),
        ("\u2588", "\u2588"),
        ("a" * 65, "a" * 61 + "\u2026"),
    ],
)
async def test_each_sign_on_is_one_line_with_the_user_cleaned(
    host: Host, user: str | bytes, logged: str
) -> None:
    async with host.agent(Listener()), host.caller(user=user) as pam:
        ending = await pam.authenticate()
    assert lines_of(ending) == [f"pam_bartizan(demo:auth): outcome=approved user={logged}"]


@pytest.mark.parametrize(
    ("result", "severity"),
    [
        (Result.APPROVED, syslog.LOG_INFO),
        (Result.DENIED, syslog.LOG_NOTICE),
        (Result.UNAVAILABLE, syslog.LOG_ERR),
    ],
)
async def test_the_log_goes_to_authpriv_by_severity(
    host: Host, result: Result, severity: int
) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.end(result)

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate()
    priorities = [priority for priority, text in ending.log if "outcome=" in text]
    assert priorities == [syslog.LOG_AUTHPRIV | severity]
