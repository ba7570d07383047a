import contextlib
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemons.log_settings import Log, LogFormat, LogLevel
from pam_agent import config
from pam_agent.config import ConfigError, load, parse
from pam_agent.methods import Method
from pam_agent.policy import Timers
from pam_agent.service_policy import Display, Secret, ServicePolicy
from protocol.address import TcpAddress, UnixAddress

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

FULL = f"""
host = "web1"
state = "/srv/bartizan"
socket = "/run/b/pam.sock"
admin_socket = "/run/b/admin.sock"

[[relays]]
link = "unix:/run/bartizan-relay/agents.sock"
validators = ["relay1.example.org:4817"]

[[relays]]
link = "tcp:[2001:db8::1]:4816"
key = "{KEY}"
validators = ["[2001:db8::1]:4817", "relay1.example.org:4817"]

[timers]
validation = 20
queue = 1.5

[callers]
postgres = ["postgresql"]

[services.postgresql]
display = "silent"
methods = ["totp", "ticket"]
validation = 20
acknowledgement = 10
sign_on = 55
lease = 3600
users = ["ada"]
groups = ["admins", "dba"]
first_factor = "password"
secret = "tail"

[metrics]
listen = "tcp:[::1]:9816"

[log]
format = "console"
level = "debug"
"""


def test_all_keys() -> None:
    found = parse(FULL, "agent.toml")
    assert found.host == "web1"
    assert found.state == Path("/srv/bartizan")
    assert found.socket == Path("/run/b/pam.sock")
    assert found.admin_socket == Path("/run/b/admin.sock")
    assert [relay.link for relay in found.relays] == [
        UnixAddress("/run/bartizan-relay/agents.sock"),
        TcpAddress("2001:db8::1", 4816),
    ]
    assert [relay.key for relay in found.relays] == [None, bytes(32)]
    assert found.validators == ("relay1.example.org:4817", "[2001:db8::1]:4817")
    assert found.timers == Timers(validation=20, queue=1.5)
    assert found.callers == {"postgres": ("postgresql",)}
    assert found.services == {
        "postgresql": ServicePolicy(
            Display.SILENT,
            frozenset({Method.TICKET, Method.TOTP}),
            Timers(queue=1.5, validation=20, acknowledgement=10, sign_on=55),
            3600,
            frozenset({"ada"}),
            frozenset({"admins", "dba"}),
            "password",
            secret=Secret.TAIL,
        )
    }
    assert found.metrics == TcpAddress("::1", 9816)
    assert found.log == Log(LogFormat.CONSOLE, LogLevel.DEBUG)


def test_nothing_said_is_a_relay_on_this_machine() -> None:
    found = parse("", "agent.toml")
    assert found.host == socket.gethostname()
    assert found.state == Path("/var/lib/bartizan-agent")
    assert found.socket == Path("/run/bartizan-agent/pam.sock")
    assert found.admin_socket == Path("/run/bartizan-agent/admin.sock")
    (relay,) = found.relays
    assert relay.link == UnixAddress("/run/bartizan-relay/agents.sock")
    assert found.validators == (f"{socket.gethostname()}:4817",)
    assert found.timers == Timers()
    assert (found.callers, found.services, found.log) == ({}, {}, Log())
    assert found.metrics is None
    path = "/run/bartizan-agent/metrics.sock"
    assert parse(f"metrics.listen = 'unix:{path}'", "x").metrics == UnixAddress(path)


def relay(**changes: str) -> str:
    keys = {"link": '"unix:/r.sock"', "validators": '["a:1"]'} | changes
    return "[[relays]]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items() if v)


ERRORS = [
    ("nonsense", "not TOML: "),
    ("a = 1\na = 2", "not TOML: "),
    ("a = " + "9" * 5000, "not TOML: Exceeds the limit"),
    ("\ufeffhost = 'a'", "not TOML: it begins with a byte order mark"),
    (relay(link='"tcp:a..b:1"'), 'relays[0].link: found "tcp:a..b:1", expected host:port'),
    (relay(link='"tcp:a\\u0000b:1"'), "relays[0].link: found"),
    (relay(validators='["a..b:1"]'), "relays[0].validators[0]: found"),
    (relay(validators=f'["{"a" * 64}.b:1"]'), "relays[0].validators[0]: found"),
    ("a = " + "[" * 5000, "not TOML: nested too deep"),
    ("hots = 'web1'", "hots: unknown key: did you mean `host`?"),
    ("[timers]\nqueu = 1", "timers.queu: unknown key: did you mean `queue`?"),
    ("host = 7", "host: found 7, expected text"),
    ("host = true", "host: found true, expected text"),
    ("host = ''", 'host: found "", expected 1 to 128 bytes of printable text'),
    ('host = "a\\u202eb"', 'host: found "ab", expected 1 to 128 bytes of printable text'),
    (f"host = '{'h' * 129}'", f'host: found "{"h" * 57}…", expected 1 to 128 bytes'),
    ("state = 'relative'", 'state: found "relative", expected an absolute path'),
    ('state = "/a\\u0000b"', 'state: found "/ab", expected an absolute path'),
    ("socket = 'pam.sock'", 'socket: found "pam.sock", expected an absolute path'),
    (f"socket = '/{'s' * 107}'", "socket: found 108 bytes, expected at most 107"),
    (f"admin_socket = '/{'s' * 107}'", "admin_socket: found 108 bytes, expected at most 107"),
    ("timers = 3", "timers: found 3, expected a table"),
    ("[timers]\nqueue = true", "timers.queue: found true, expected a number, 0.1 to 30"),
    ("[timers]\nqueue = '2'", 'timers.queue: found "2", expected a number, 0.1 to 30'),
    ("[timers]\nqueue = 0", "timers.queue: found 0, expected a number, 0.1 to 30"),
    ("[timers]\nvalidation = 301", "timers.validation: found 301, expected a number, 10 to 300"),
    ("[timers]\nsign_on = 60", "timers: sign_on must be at least queue + validation"),
    ("callers = ['a']", "callers: found an array, expected a table"),
    (
        "[callers]\npostgres = 'postgresql'",
        'callers.postgres: found "postgresql", expected an array of text',
    ),
    ("[callers]\npostgres = [1]", "callers.postgres[0]: found 1, expected text"),
    ("[services]\nsshd = 'info'", 'services.sshd: found "info", expected a table'),
    (
        "[services.sshd]\ndisplay = 'loud'",
        'services.sshd.display: found "loud", expected "prompt" or',
    ),
    ("[services.sshd]\nshow = 'info'", "services.sshd.show: unknown key; known here are display"),
    (
        "[services.sshd]\nmethods = ['sms']",
        'services.sshd.methods[0]: found "sms", expected "approve" or "code"',
    ),
    ("[services.sshd]\nlease = 86401", "services.sshd.lease: found 86401, expected a number, 0 to"),
    (
        f"[services.sshd]\nusers = ['{'u' * 257}']",
        f'services.sshd.users[0]: found "{"u" * 57}…", expected text of 1 to 256 characters',
    ),
    (
        f"[services.sshd]\nfirst_factor = '{'f' * 33}'",
        f'services.sshd.first_factor: found "{"f" * 33}", expected text of 1 to 32 characters',
    ),
    ("[services.sshd]\nsecret = 'tail'", 'services.sshd.secret: found with display = "prompt"'),
    ("[services.SSHd]", "services.SSHd: expected a printable name in lower case, as PAM has it"),
    ("[services.'']", 'services."": expected a printable name in lower case'),
    ("[log]\nformat = 'xml'", 'log.format: found "xml", expected "'),
    ("[log]\nlevel = 10", 'log.level: found 10, expected "debug" or "info"'),
    ("[metrics]\nlisten = 7", "metrics.listen: found 7, expected text"),
    (
        "[metrics]\nlisten = 'tcp:0.0.0.0:1'",
        'metrics.listen: found "tcp:0.0.0.0:1", expected unix:',
    ),
    ("[metrics]\nlisten = 'tcp:localhost:1'", 'metrics.listen: found "tcp:localhost:1", expected'),
    ("[metrics]\nlisten = '127.0.0.1:1'", 'metrics.listen: found "127.0.0.1:1", expected unix:'),
    (f"[metrics]\nlisten = 'unix:/{'s' * 107}'", "metrics.listen: found 108 bytes, expected"),
    ("relays = []", "relays: found an empty array, expected [[relays]] tables"),
    ("relays = 1", "relays: found 1, expected an array of a table"),
    (relay(link=""), "relays[0].link: missing"),
    (relay(validators=""), "relays[0].validators: missing"),
    (relay(validators="[]"), "relays[0].validators: found none, expected at least one host:port"),
    (relay(validators="['a']"), 'relays[0].validators[0]: found "a", expected host:port'),
    (
        relay(validators="['a:1', 'a:0']"),
        'relays[0].validators[1]: found "a:0", expected host:port',
    ),
    (
        relay(validators="['a b\\u202e:1']".replace("'", '"')),
        'relays[0].validators[0]: found "a b:1", expected',
    ),
    (relay(validators=f"['{'a' * 96}:1']"), 'relays[0].validators[0]: found "aaa'),
    (relay(validators="['a:1', 'b:1', 'c:1', 'd:1', 'e:1']"), "relays: found 5 addresses"),
    (
        relay(link="'/r.sock'"),
        'relays[0].link: found "/r.sock", expected tcp:host:port or unix:/path',
    ),
    (relay(link="'unix:r.sock'"), 'relays[0].link: found "unix:r.sock", expected tcp:host'),
    (relay(link=f"'unix:/{'s' * 107}'"), "relays[0].link: found 108 bytes, expected at most 107"),
    (relay(link="'tcp:a'"), 'relays[0].link: found "tcp:a", expected host:port'),
    (relay(link="'tcp:a:1'"), "relays[0].key: missing, expected base64 of 32 bytes"),
    (relay(link="'tcp:a:1'", key="'?'"), 'relays[0].key: found "?", expected base64 of 32'),
    (relay(link="'tcp:a:1'", key="'ü'"), 'relays[0].key: found "ü", expected base64 of 32'),
    (relay(link="'tcp:a:1'", key="'AAAA'"), "relays[0].key: found 3 bytes"),
    (relay(link="'tcp:a:1'", key="3"), "relays[0].key: found 3, expected text"),
    (relay(key=f"'{KEY}'"), "relays[0].key: found with a unix link, expected with tcp only"),
    (relay() + relay(kex="1"), "relays[1].kex: unknown key: did you mean `key`?"),
    (relay() + relay(), "relays: two tables have the same link"),
]


@pytest.mark.parametrize(("text", "expected"), ERRORS, ids=[text[:40] for text, _ in ERRORS])
def test_errors_name_file_key_and_what_is_expected(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "/etc/agent.toml")
    assert str(caught.value).startswith(f"/etc/agent.toml: {expected}")


def test_every_mistake_is_named_with_its_file() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("hots = 'web1'\n[timers]\nqueue = 0\nhost = 'web1'", "/etc/agent.toml")
    assert str(caught.value).splitlines() == [
        "/etc/agent.toml: hots: unknown key: did you mean `host`?",
        "/etc/agent.toml: timers.host: unknown key: it belongs above the first table",
        "/etc/agent.toml: timers.queue: found 0, expected a number, 0.1 to 30",
    ]


def test_every_mistake_of_services_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("[services.A]\nusers = []\nqr = true\ndisplay = 'silent'", "/etc/agent.toml")
    assert str(caught.value).splitlines() == [
        "/etc/agent.toml: services.A: expected a printable name in lower case, as PAM has it",
        "/etc/agent.toml: services.A.qr: found where no passcode is shown",
        "/etc/agent.toml: services.A.users: found none, expected at least one name, or no key for"
        " everybody",
    ]


def test_five_relays_behind_one_address_are_fine() -> None:
    text = "".join(relay(link=f"'unix:/r{n}.sock'") for n in range(5))
    assert len(parse(text, "agent.toml").relays) == 5


@given(st.text())
def test_any_text_is_a_configuration_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(text, "agent.toml")


def test_load_reads_the_named_file(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("host = 'web1'")
    assert load(file).host == "web1"


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file"):
        load(tmp_path / "none.toml")


def test_without_a_file_the_default_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "agent.toml"
    monkeypatch.setattr(config, "DEFAULT_PATH", file)
    assert load(None).host == socket.gethostname()
    file.write_text("host = 'web1'")
    assert load(None).host == "web1"


def test_what_cannot_be_read_is_not_taken_for_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)
    file = tmp_path / "agent.toml"
    file.write_bytes(b"host = '\xff'")
    with pytest.raises(ConfigError, match="byte 9 is not UTF-8"):
        load(file)
