"""A whole host's files, as docs/services has them, with a mistake planted in one of them."""

import json
import os
import socket
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pam_agent import check_host, sshd_asked
from pam_agent.check import Host, findings
from pam_agent.check_finding import Weight
from pam_agent.cli import main
from pam_agent.config import parse
from tests.support.service_pages import COMMON_AUTH, Block, blocks
from tests.support.sshd_apart import host_key, sshd_apart

AGENT = "/etc/bartizan/agent.toml"
SUDOERS = "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"
"""Debian's, in short."""


class Root:
    """A folder that plays a host's /, set up by the pages of docs/services."""

    def __init__(self, folder: Path, pages: tuple[str, ...]) -> None:
        self.folder = folder
        key = host_key(folder)
        self.write("/etc/pam.d/common-auth", COMMON_AUTH)
        self.write("/etc/pam.d/other", "auth required pam_deny.so\n")
        self.write("/etc/sudoers", SUDOERS)
        settings = ['host = "web1"']
        for page in pages:
            for block in reversed(blocks("pam", page) + blocks("sudoers", page)):
                self.write(str(block.path), block.text)
            for block in blocks("sshd_config", page)[:1]:
                self.write("/etc/ssh/sshd_config", f"HostKey {key}\n{block.text}")
            if page != "sshd":  # whose first stack needs nothing
                settings += [block.text for block in blocks("toml", page)[:1]]
        self.write(AGENT, "\n".join(settings))

    def path(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def write(self, path: str, text: str) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def change(self, path: str, old: str, new: str) -> None:
        text = self.path(path).read_text()
        assert old in text
        self.write(path, text.replace(old, new, 1))

    def found(self) -> list[tuple[str, str, str]]:
        """What is no note: its word, its service, its place."""
        host = Host(parse(self.path(AGENT).read_text(), AGENT), self.folder)
        return [
            (each.word, each.service, each.where)
            for each in findings(host)
            if each.weight is not Weight.NOTE
        ]

    def check(self, *options: str) -> Result:
        command = ["check", "--root", str(self.folder), "--config", str(self.path(AGENT))]
        return CliRunner().invoke(main, [*command, *options])


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = sshd_apart(tmp_path)
    monkeypatch.setattr(sshd_asked, "SSHD", str(program))
    return program


@pytest.fixture
def root(tmp_path: Path, sshd: Path) -> Root:
    return Root(tmp_path, ("sshd", "sudo", "su", "login"))


def test_nothing_is_wrong_with_what_is_documented(root: Root) -> None:
    assert root.found() == []


@pytest.mark.parametrize("block", [*blocks("pam", "sshd"), *blocks("pam", "sudo")], ids=str)
def test_nor_with_the_other_stacks(root: Root, block: Block) -> None:
    root.write(str(block.path), block.text)
    if block.name == "sudo" and "common-auth" not in block.text:  # there is no first factor then
        root.change(AGENT, '[services.sudo]\nfirst_factor = "password"', "")
    assert root.found() == []


@pytest.mark.parametrize("settings", [*blocks("toml", "postgresql"), *blocks("toml", "dovecot")])
def test_nor_with_services_that_show_nothing(tmp_path: Path, settings: Block) -> None:
    """Each configuration of the page, and the services that it speaks of."""
    root = Root(tmp_path, (settings.page,))
    root.write(AGENT, settings.text)
    table = tomllib.loads(settings.text)
    named = {*table.get("services", {})}.union(*table.get("callers", {}).values())
    for stack in blocks("pam", settings.page):
        if ('"tail"' in settings.text) == ("try_first_pass" in stack.text):
            root.write(str(stack.path), stack.text)
    assert [each for each in root.found() if each[1] in named] == []


def hurried_postgresql(root: Root) -> None:
    root.write("/etc/pam.d/postgresql", "auth required pam_bartizan.so\n")
    root.write(AGENT, '[callers]\npostgres = ["postgresql"]\n' + root.path(AGENT).read_text())
    root.change(AGENT, 'host = "web1"\n', "")
    data = "/var/lib/postgresql/15/main"
    main = f"data_directory = '{data}'\ninclude_dir 'conf.d'\nauthentication_timeout = 1min\n"
    root.write("/etc/postgresql/15/main/postgresql.conf", main)
    root.write("/etc/postgresql/15/main/conf.d/a.conf", "authentication_timeout = 2min\n")
    root.write(f"{data}/postgresql.auto.conf", "# ALTER SYSTEM\nauthentication_timeout = '20s'\n")


def match(*lines: str) -> Callable[[Root], None]:
    """A Match block at the end of sshd's configuration."""

    def plant(root: Root) -> None:
        text = root.path("/etc/ssh/sshd_config").read_text()
        root.write("/etc/ssh/sshd_config", text + "\n".join((*lines, "")))

    return plant


def included_match(root: Root) -> None:
    """As Debian includes files: relative to the host's own root, and its end is the block's."""
    text = root.path("/etc/ssh/sshd_config").read_text()
    root.write("/etc/ssh/sshd_config", f"Include /etc/ssh/sshd_config.d/*.conf\n{text}")
    block = "\nMatch User git\n  AuthenticationMethods publickey\n"
    root.write("/etc/ssh/sshd_config.d/git.conf", block)


def links_to(path: str, target: str) -> Callable[[Root], None]:
    def plant(root: Root) -> None:
        root.path(path).unlink()
        root.path(path).symlink_to(target)

    return plant


def pipe(path: str) -> Callable[[Root], None]:
    def plant(root: Root) -> None:
        root.path(path).unlink(missing_ok=True)
        root.path(path).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(root.path(path))

    return plant


def twin_without_a_file(root: Root) -> None:
    """As on Debian, where `other` asks for the password."""
    root.path("/etc/pam.d/su-l").unlink(missing_ok=True)
    root.write("/etc/pam.d/other", "@include common-auth\n")


def unread_sudoers(root: Root) -> None:
    """Nothing is said then of what may stand where nobody could look."""
    root.path("/etc/sudoers").unlink()
    root.path("/etc/sudoers.d/bartizan").unlink()


PLANTED: list[tuple[Callable[[Root], None], tuple[str, str, str]]] = [
    (
        lambda root: root.write("/etc/pam.d/sudo-i", "@include common-auth\n"),
        ("left-out", "sudo-i", "/etc/pam.d/sudo-i"),
    ),
    (
        lambda root: root.write("/etc/pam.d/su-l", "@include common-auth\n"),
        ("left-out", "su-l", "/etc/pam.d/su-l"),
    ),
    (twin_without_a_file, ("left-out", "su-l", "/etc/pam.d/su-l")),
    (links_to("/etc/pam.d/login", "login"), ("no-file", "login", "/etc/pam.d/login")),
    (links_to("/etc/pam.d/sshd", "/none"), ("no-file", "sshd", "/etc/pam.d/sshd")),
    (pipe("/etc/pam.d/dovecot"), ("no-file", "dovecot", "/etc/pam.d/dovecot")),
    (
        lambda root: root.change("/etc/pam.d/sudo", "required ", "sufficient "),
        ("optional", "sudo", "/etc/pam.d/sudo:2"),
    ),
    (
        lambda root: root.change("/etc/pam.d/sudo", "required ", "[success=ok default=ignore] "),
        ("optional", "sudo", "/etc/pam.d/sudo:2"),
    ),
    (
        lambda root: root.change("/etc/pam.d/su", "@inc", "auth sufficient pam_unix.so\n@inc"),
        ("passed-by", "su", "/etc/pam.d/su:2"),
    ),
    (
        lambda root: root.change("/etc/pam.d/login", "@include common-auth\n", ""),
        ("first-factor-not-guaranteed", "login", "/etc/pam.d/login:3"),
    ),
    (
        lambda root: root.change("/etc/ssh/sshd_config", "UsePAM yes", "UsePAM no"),
        ("ssh-use-pam", "sshd", "/etc/ssh/sshd_config"),
    ),
    (
        lambda root: root.change(
            "/etc/ssh/sshd_config",
            "AuthenticationMethods publickey,",
            "AuthenticationMethods publickey publickey,",
        ),
        ("ssh-method-without", "sshd", "/etc/ssh/sshd_config"),
    ),
    (
        lambda root: root.change(
            "/etc/ssh/sshd_config",
            "publickey,keyboard-interactive",
            "publickey,keyboard-interactive publickey,password",
        ),
        ("ssh-password", "sshd", "/etc/ssh/sshd_config"),
    ),
    (
        lambda root: root.change("/etc/ssh/sshd_config", "UsePAM", "LoginGraceTime 30\nUsePAM"),
        ("ssh-grace-time", "sshd", "/etc/ssh/sshd_config"),
    ),
    (
        lambda root: root.change("/etc/ssh/sshd_config", "UsePAM", "MaxStartups 2\nUsePAM"),
        ("ssh-max-startups", "sshd", "/etc/ssh/sshd_config"),
    ),
    *(
        (match(f"Match {criteria}", line), (word, "sshd", "/etc/ssh/sshd_config:5"))
        for criteria in ("User git", "Group x,y*", "Address 10.0.0.0/8,!10.1.0.0/16")
        for line, word in (
            ("AuthenticationMethods publickey", "ssh-method-without"),
            ("AuthenticationMethods password", "ssh-password"),
            ("KbdInteractiveAuthentication no", "ssh-keyboard-interactive"),
            ("PermitEmptyPasswords yes", "ssh-empty-passwords"),
        )
    ),
    (
        lambda root: root.change("/etc/ssh/sshd_config", "Interactive", "Interactive no #"),
        ("ssh-refused", "sshd", "{root}/sshd -T -f {root}/etc/ssh/sshd_config"),
    ),
    (
        match("Match all", "PermitEmptyPasswords yes"),
        ("ssh-empty-passwords", "sshd", "/etc/ssh/sshd_config"),
    ),
    (
        match("Match LocalPort 22", "PermitEmptyPasswords yes"),
        ("ssh-empty-passwords", "sshd", "/etc/ssh/sshd_config:5"),
    ),
    (
        included_match,
        ("ssh-method-without", "sshd", "/etc/ssh/sshd_config.d/git.conf:2"),
    ),
    (
        lambda root: root.path("/etc/sudoers.d/bartizan").unlink(),
        ("sudo-timestamp", "sudo", "/etc/sudoers"),
    ),
    (
        lambda root: root.write("/etc/sudoers", f"{SUDOERS}Defaults !authenticate\n"),
        ("sudo-asks-nobody", "sudo", "/etc/sudoers:4"),
    ),
    (
        lambda root: root.write("/etc/sudoers", f"{SUDOERS}Defaults pam_service=other\n"),
        ("sudo-other-service", "sudo", "/etc/sudoers:4"),
    ),
    (
        lambda root: root.write("/etc/login.defs", "LOGIN_TIMEOUT 20\n"),
        ("login-timeout", "login", "/etc/login.defs"),
    ),
    (
        lambda root: root.write("/etc/pam.d/postgresql", "auth required pam_bartizan.so\n"),
        ("caller-unknown", "postgresql", AGENT),
    ),
    (
        hurried_postgresql,
        ("postgresql-timeout", "postgresql", "/var/lib/postgresql/15/main/postgresql.auto.conf:2"),
    ),
    (
        unread_sudoers,
        ("sudoers-not-read", "sudo", "/etc/sudoers"),
    ),
    (
        lambda root: root.path("/host_key").unlink(),
        ("ssh-not-asked", "sshd", "{root}/sshd -T -f {root}/etc/ssh/sshd_config"),
    ),
]


@pytest.mark.parametrize(("plant", "expected"), PLANTED)
def test_a_planted_mistake_is_found(
    root: Root, plant: Callable[[Root], None], expected: tuple[str, str, str]
) -> None:
    plant(root)
    word, service, where = expected
    assert root.found() == [(word, service, where.format(root=root.folder))]


def no_such_include(root: Root) -> None:
    root.change("/etc/pam.d/login", "@include common-auth\n", "@include none\n")


def other_blank(root: Root) -> None:
    root.change("/etc/pam.d/login", "required    pam", "required\u00a0pam")


def other_name(root: Root) -> None:
    root.change("/etc/pam.d/login", "pam_bartizan.so", "pam_bartizan")


def with_returns(root: Root) -> None:
    text = root.path("/etc/pam.d/login").read_text()
    root.path("/etc/pam.d/login").write_bytes(text.replace("\n", "\r\n").encode())


@pytest.mark.parametrize(
    ("plant", "line", "words"),
    [
        (no_such_include, 3, "includes 'none', which cannot be read; libpam gives up"),
        (other_blank, 4, "'required\\xa0pam_bartizan.so'"),
        (other_name, 4, "a module of the name 'pam_bartizan', and finds none"),
        (with_returns, 1, "ends in a carriage return"),
    ],
)
def test_a_line_that_was_meant_to_have_the_module(
    root: Root, plant: Callable[[Root], None], line: int, words: str
) -> None:
    """It is not taken for a service that has nothing to do with it."""
    plant(root)
    assert {each[:2] for each in root.found()} == {("bad-line", "login")}
    assert root.found()[0][2] == f"/etc/pam.d/login:{line}"
    assert words in root.check().stdout
    for twin in ("sudo", "sudo-i"):
        root.write(f"/etc/pam.d/{twin}", root.path("/etc/pam.d/login").read_text())
    assert "left-out" not in {each[0] for each in root.found()}


def test_sudo_asks_as_sudoers_says(root: Root) -> None:
    """A stack of another name is sudo's then, and the one of that name is nobody's."""
    root.path("/etc/pam.d/sudo").rename(root.path("/etc/pam.d/other-sudo"))
    root.write("/etc/pam.d/sudo", "@include common-auth\n")
    root.path("/etc/pam.d/sudo-i").unlink()
    root.write("/etc/pam.d/other", "@include common-auth\n")
    root.write("/etc/pam.d/su-l", root.path("/etc/pam.d/su").read_text())
    assert root.found() == []  # nobody asks as other-sudo
    sudoers = root.path("/etc/sudoers.d/bartizan").read_text()
    both = "Defaults pam_service=other-sudo, pam_login_service=other-sudo\n"
    root.write("/etc/sudoers.d/bartizan", sudoers + both)
    assert root.found() == []
    root.write("/etc/sudoers.d/bartizan", both)
    assert root.found() == [("sudo-timestamp", "other-sudo", "/etc/sudoers")]
    root.write("/etc/pam.d/plain", "@include common-auth\n")
    root.write("/etc/sudoers.d/bartizan", f"{sudoers}{both}Defaults pam_service=plain\n")
    assert root.found() == [("sudo-other-service", "other-sudo", "/etc/sudoers.d/bartizan:4")]
    root.write("/etc/sudoers.d/bartizan", sudoers + "Defaults pam_service=other-sudo\n")
    assert root.found() == [("left-out", "sudo-i", "/etc/pam.d/sudo-i")]


def test_links_to_nowhere_that_concern_nobody(root: Root) -> None:
    root.path("/etc/pam.d/cups").symlink_to("none")
    root.path("/etc/pam.d/backup").mkdir()
    assert root.found() == []
    assert "note: cups: no-file\n" in root.check().stdout
    links_to("/etc/pam.d/login", "/none")(root)
    root.write("/usr/lib/pam.d/login", "@include common-auth\nauth required pam_bartizan.so\n")
    assert root.found() == []
    assert "libpam takes the vendor's file for login." in root.check().stdout


def test_links_on_the_way_are_the_hosts_own(root: Root) -> None:
    """As where another program makes the stacks, and links to them by absolute paths."""
    root.path("/etc/authselect").mkdir()
    for name in ("common-auth", "sudo"):
        root.path(f"/etc/pam.d/{name}").rename(root.path(f"/etc/authselect/{name}"))
        root.path(f"/etc/pam.d/{name}").symlink_to(f"/etc/authselect/{name}")
    assert root.found() == []


def test_a_file_that_may_not_be_opened_is_not_judged(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refuse(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if Path(path).name == "common-auth":
            raise PermissionError(13, "Permission denied")
        return opened(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refuse)  # root would be let in
    assert root.found() == [("service-not-read", "", "/etc/pam.d/common-auth")]


def test_keyboard_interactive_off(root: Root) -> None:
    """sshd itself refuses a list of methods with one that is off: it is off where any will do."""
    settings = f"HostKey {root.folder}/host_key\nUsePAM yes\nKbdInteractiveAuthentication no\n"
    root.write("/etc/ssh/sshd_config", settings)
    assert {word for word, _, _ in root.found()} == {
        "ssh-keyboard-interactive",
        "ssh-method-without",
        "ssh-password",
    }


def test_a_match_block_that_is_meant(root: Root) -> None:
    match("Match User deploy", "AuthenticationMethods publickey")(root)
    assert root.check().exit_code == 1
    well = root.check("--meant", "match  user deploy")
    assert (well.exit_code, well.stdout.splitlines()[-1]) == (0, "no mistakes found")
    assert "note: sshd: ssh-method-without\n  at      /etc/ssh/sshd_config:5\n" in well.stdout
    assert root.check("--meant", "Match User git").exit_code == 1


def test_a_match_block_under_which_the_stack_no_longer_does(root: Root) -> None:
    """Whom nobody asks passes behind a key; in this block there is none."""
    (passing,) = [each for each in blocks("pam", "sshd") if each.mark == "not-required-goes-on"]
    root.write("/etc/pam.d/sshd", passing.text)
    root.write(AGENT, root.path(AGENT).read_text() + '[services.sshd]\ngroups = ["admins"]\n')
    assert root.found() == []
    match("Match Address 10.0.0.0/8", "AuthenticationMethods keyboard-interactive")(root)
    assert root.found() == [
        ("exceptions-without-anything", "sshd", "/etc/ssh/sshd_config:5"),
    ]


def test_exit_codes_and_what_people_and_programs_read(root: Root) -> None:
    well = root.check()
    assert (well.exit_code, well.stdout.splitlines()[-1]) == (0, "no mistakes found")
    root.change("/etc/pam.d/sudo", "required ", "sufficient ")
    wrong = root.check()
    assert wrong.exit_code == 1
    assert "mistake: sudo: optional\n  at      /etc/pam.d/sudo:2\n  wrong   `suff" in wrong.stdout
    assert wrong.stdout.splitlines()[-1] == "1 mistake found"
    lines = [json.loads(line) for line in root.check("--json").stdout.splitlines()]
    assert [(each["word"], each["where"]) for each in lines if each["weight"] == "mistake"] == [
        ("optional", "/etc/pam.d/sudo:2")
    ]
    root.change("/etc/pam.d/sudo", "sufficient ", "required ")
    root.path("/host_key").unlink()
    unseen = root.check()
    assert (unseen.exit_code, unseen.stdout.splitlines()[-1]) == (
        3,
        "no mistakes found, 1 not looked at",
    )


def test_a_configuration_that_is_none(root: Root) -> None:
    root.write(AGENT, "nothing\n")
    result = root.check()
    assert result.exit_code == 3
    assert "not TOML" in result.output


def test_a_host_without_it(root: Root) -> None:
    for name in ("sudo", "sudo-i", "su", "login", "sshd"):
        root.path(f"/etc/pam.d/{name}").unlink()
    result = root.check()
    assert result.exit_code == 0
    assert "no service has pam_bartizan.so" in result.stdout
    assert "service-not-used" in result.stdout


# ---- around the agent ----------------------------------------------------------------------------


def agent_words(path: Path) -> list[str]:
    config = parse(f'host = "web1"\nsocket = "{path}"\nadmin_socket = "{path}.admin"\n', AGENT)
    return [each.word for each in check_host.agent(config)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that others may pass, down to it."""
    for each in (tmp_path, *tmp_path.parents):
        if not each.stat().st_mode & stat.S_IXOTH:
            each.chmod(each.stat().st_mode | stat.S_IXOTH)
    return tmp_path


def test_the_agents_socket(folder: Path) -> None:
    path = folder / "pam.sock"
    assert agent_words(path) == ["no-socket"]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        path.chmod(0o666)
        assert agent_words(path) == ["no-agent"]
        listening.listen()
        assert agent_words(path) == []
        path.chmod(0o600)
        assert agent_words(path) == ["socket-closed"]
        path.chmod(0o666)
        folder.chmod(0o750)
        assert agent_words(path) == ["socket-closed"]
    if os.geteuid() == 0:
        folder.chmod(0o755)


def test_an_agent_that_cannot_be_asked(folder: Path) -> None:
    config = parse(f'host = "web1"\nadmin_socket = "{folder}/none"\n', AGENT)
    (finding,) = check_host.relays(config)
    assert (finding.word, finding.weight) == ("agent-not-asked", Weight.UNCHECKED)


def test_a_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_host.time, "time", lambda: 0.0)
    assert [each.word for each in check_host.clock()] == ["clock-wrong"]


@pytest.mark.parametrize("state", [0, 5])
def test_a_clock_that_nothing_keeps(monkeypatch: pytest.MonkeyPatch, state: int) -> None:
    class Library:
        @staticmethod
        def adjtimex(_buffer: object) -> int:
            return state

    monkeypatch.setattr(check_host.ctypes, "CDLL", lambda *_, **__: Library)
    words = [each.word for each in check_host.clock()]
    assert words == (["clock-unsynchronised"] if state else [])


def test_the_kernel_answers() -> None:
    assert {each.word for each in check_host.clock()} <= {"clock-unsynchronised"}
