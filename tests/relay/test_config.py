"""The configuration: what is taken, and that every error names file, key and what was expected."""

import os
import pwd
import socket
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.address import TcpAddress, UnixAddress
from protocol.agent_auth import public_bytes
from relay import config, keys
from relay.config import ConfigError, ListenerPlan
from relay.limits import Limits
from relay.socket_options import SocketOptions

BOTH = """
[[agents]]
listen = "unix:/run/agents.sock"
[[validators]]
listen = "tcp:192.0.2.1:4817"
"""


def load(folder: Path, text: str | bytes) -> config.Config:
    file = folder / "relay.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return config.load(file)


# ---- what is taken -------------------------------------------------------------------------------


def test_a_small_file_is_enough(tmp_path: Path) -> None:
    plan = config.plan(load(tmp_path, BOTH))
    assert plan.listeners == (
        ListenerPlan(UnixAddress("/run/agents.sock"), frozenset({0, os.geteuid()})),
        ListenerPlan(TcpAddress("192.0.2.1", 4817), None),
    )
    assert plan.limits == Limits()
    assert plan.agents == {}


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    key, agent = tmp_path / "key", X25519PrivateKey.generate()
    private = keys.create_private_key(key)
    (tmp_path / "agents").write_text(f"{keys.encode_key(public_bytes(agent))} web1\n")
    text = f"""
    key = "{key}"
    agents_file = "{tmp_path}/agents"
    [[agents]]
    listen = "unix:/a"
    uids = [0, 33]
    [[agents]]
    listen = "tcp:[2001:db8::1]:4816"
    proxy_from = ["2001:db8::/64"]
    [[validators]]
    listen = "tcp:relay.example:443"
    proxy_from = ["10.0.0.5", "192.0.2.0/24"]
    [[validators]]
    listen = "tcp:[::]:4817"
    [limits]
    hold = 6
    transactions = 7
    [sockets]
    backlog = 8
    defer_accept = 9
    [log]
    format = "console"
    level = "debug"
    """
    plan = config.plan(load(tmp_path, text))
    own = frozenset({0, os.geteuid()})
    assert plan.listeners == (
        ListenerPlan(UnixAddress("/a"), frozenset({0, 33})),
        ListenerPlan(TcpAddress("2001:db8::1", 4816), own, (ip_network("2001:db8::/64"),)),
        ListenerPlan(
            TcpAddress("relay.example", 443),
            None,
            (ip_network("10.0.0.5/32"), ip_network("192.0.2.0/24")),
        ),
        ListenerPlan(TcpAddress("::", 4817), None),
    )
    assert plan.key.private_bytes_raw() == private.private_bytes_raw()
    assert plan.agents == {public_bytes(agent): "web1"}
    assert (plan.limits.hold, plan.limits.transactions) == (6.0, 7)
    assert plan.sockets == SocketOptions(backlog=8, defer_accept=9)
    assert plan.log == config.Log("console", "debug")


@pytest.mark.parametrize(
    ("name", "agents", "expected"),
    [
        ("relay.toml", "unix:/run/x/agents.sock", "/run/x/relay-admin.sock"),
        ("relay-one.toml", "unix:/run/x/agents.sock", "/run/x/relay-one-admin.sock"),
        ("relay-two.toml", "tcp:127.0.0.1:1", "/run/bartizan-relay/relay-two-admin.sock"),
    ],
)
def test_the_admin_socket_is_named_after_the_file(
    tmp_path: Path, name: str, agents: str, expected: str
) -> None:
    file = tmp_path / name
    file.write_text(f'[[agents]]\nlisten = "{agents}"\n')
    assert config.load(file).admin_socket == expected
    file.write_text(f'admin_socket = "/a"\n[[agents]]\nlisten = "{agents}"\n')
    assert config.load(file).admin_socket == "/a"


def test_no_file_is_a_relay_for_its_own_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "relay.toml")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    plan = config.plan(config.load(None))
    assert [listener.trusted for listener in plan.listeners] == [frozenset({0}), None]
    assert plan.listeners[0].address == UnixAddress("/run/bartizan-relay/agents.sock")
    assert plan.admin_socket == Path("/run/bartizan-relay/relay-admin.sock")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    plan = config.plan(config.load(None))
    assert plan.listeners[0].address == UnixAddress("/run/user/1000/bartizan-relay/agents.sock")
    assert plan.listeners[0].trusted == frozenset({0, 1000})


def test_a_host_without_ipv6_gets_a_default_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, expected in ((True, "tcp:[::]:4817"), (False, "tcp:0.0.0.0:4817")):
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda has=has: has)
        assert config.default().validators[0].listen == expected


def test_the_default_file_is_read_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(BOTH)
    monkeypatch.setattr(config, "DEFAULT_FILE", file)
    assert config.load(None).validators[0].listen == "tcp:192.0.2.1:4817"


def test_every_key_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = config.default()
    assert load(tmp_path, "") == own
    agents, validators = BOTH[: BOTH.index("[[val")], BOTH[BOTH.index("[[val") :]
    assert load(tmp_path, agents).validators == own.validators
    assert load(tmp_path, validators).agents == own.agents
    assert load(tmp_path, validators).validators == load(tmp_path, BOTH).validators
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert config.default().agents[0].listen == "unix:/run/bartizan-relay/agents.sock"


def test_the_agents_user_may_attach_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(name: str) -> pwd.struct_passwd:
        assert name == "bartizan-agent"
        return pwd.struct_passwd((name, "x", 998, 998, "", "/", "/bin/false"))

    monkeypatch.setattr(pwd, "getpwnam", looked_up)
    assert config.default_uids() == {0, os.geteuid(), 998}


# ---- the key -------------------------------------------------------------------------------------

BY_TCP = BOTH.replace("unix:/run/agents.sock", "tcp:192.0.2.1:4816")


@pytest.mark.parametrize(
    ("name", "line"),
    [("relay.key", ""), ("other", 'key = "other"\n')],
    ids=["by default", "by name"],
)
def test_the_key_can_be_a_credential(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agents").touch()
    made = keys.create_private_key(tmp_path / name)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = load(tmp_path, f'{line}agents_file = "{tmp_path}/agents"\n{BY_TCP}')
    assert config.plan(file).key.private_bytes_raw() == made.private_bytes_raw()


@pytest.mark.parametrize("credentials", [None, "", "x" * 300], ids=["no", "empty", "unreadable"])
def test_without_a_credential_of_the_name_the_default_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, credentials: str | None
) -> None:
    monkeypatch.setattr(config, "DEFAULT_KEY", tmp_path / "default.key")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if credentials is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / credentials))
    with pytest.raises(ConfigError, match=r"default\.key: cannot read the key file"):
        config.plan(load(tmp_path, BY_TCP))


def test_a_credential_without_a_service_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match=r"key: found 'relay\.key', .* expected a path"):
        config.plan(load(tmp_path, f'key = "relay.key"\n{BY_TCP}'))


# ---- errors --------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[str | bytes, *tuple[str, ...]]] = {
    "not TOML": ("agents = [", "not TOML", "end of document"),
    "not text": (b"key = '\xff'", "not TOML", "utf-8"),
    "more digits than Python reads": (
        BOTH + "[limits]\nlinks = " + "9" * 5000,
        "not TOML",
        "thousands of digits",
    ),
    "more digits than Python writes": (
        BOTH + "[limits]\nlinks = 0x" + "f" * 5000,
        "limits.links: found a number of hundreds of digits",
    ),
    "a byte order mark": (b"\xef\xbb\xbf" + BOTH.encode(), "not TOML", "a byte order mark"),
    "two listeners at one place": (
        BOTH + "[[validators]]\nlisten = 'tcp:192.0.2.1:4817'",
        'validators[1].listen: found "tcp:192.0.2.1:4817"',
        "that of validators[0].listen",
    ),
    "the agents' place for administrators": (
        'admin_socket = "/run/agents.sock"' + BOTH,
        "admin_socket: found",
        "that of agents[0].listen",
    ),
    "the agents' place for figures": (
        BOTH + "[metrics]\nlisten = 'unix:/run/agents.sock'",
        "metrics.listen: found",
        "that of agents[0].listen",
    ),
    "a socket's path that is too long": (
        BOTH.replace("agents.sock", "x" * 103),
        "agents[0].listen: found 108 bytes, expected at most 107",
    ),
    "nested too deep": ("key = " + "[" * 9999, "nested too deep"),
    "no validators": ("validators = []", "one [[validators]]"),
    "no agents": ("agents = []", "one [[agents]]"),
    "unknown key": ("kee = 1" + BOTH, "kee: unknown key", "`key`"),
    "unknown key in a table": (BOTH + "[limits]\nholdd = 5", "limits.holdd: ", "`hold`"),
    "unknown key in a listener": (BOTH + "lisen = 1", "validators[0].lisen: ", "`listen`"),
    "unknown key like no other": (BOTH + "x = 1", "validators[0].x: ", "listen, proxy_from"),
    "text for a number": (BOTH + '[limits]\nhold = "5"', 'limits.hold: found "5"', "a number"),
    "true is not a number": (BOTH + "[limits]\nlinks = true", "limits.links: found true"),
    "true is no time": (BOTH + "[limits]\nhold = true", "limits.hold: found true"),
    "half a thing": (BOTH + "[limits]\nlinks = 1.5", "limits.links: found 1.5", "a whole number"),
    "half a second for the kernel": (BOTH + "[sockets]\nuser_timeout = 0.5", "a whole number"),
    "zero": (BOTH + "[limits]\nstall = 0", "limits.stall: found 0", "more than 0 to 86,400"),
    "not a number": (BOTH + "[limits]\nstall = nan", "limits.stall: found nan"),
    "for ever": (BOTH + "[limits]\nstall = inf", "limits.stall: found inf", "to 86,400"),
    "too much": (BOTH + "[limits]\nlongest_ttl = 65536", "limits.longest_ttl: ", "1 to 65,535"),
    "a number for text": ("key = 5" + BOTH, "key: found 5", "expected text"),
    "a table for a list": ('validators = "x"\n', "validators: found", "an array of a table"),
    "a listener without an address": (BOTH + "[[validators]]", "validators[1].listen: missing"),
    "no scheme": (BOTH.replace("tcp:", ""), "validators[0].listen: ", "tcp:host:port"),
    "no port": (BOTH.replace(":4817", ""), "validators[0].listen: ", "host:port"),
    "port 0": (BOTH.replace(":4817", ":0"), "validators[0].listen: ", "host:port"),
    "bare IPv6": (BOTH.replace("192.0.2.1", "::1"), "validators[0].listen: ", "[ipv6]:port"),
    "no host": (BOTH.replace("192.0.2.1", "relay..example"), "validators[0].listen: ", "host:port"),
    "NUL in a key's path": (r'key = "/a\u0000"' + BOTH, 'key: found "/a"', "a path"),
    "NUL in the agents' path": (r'agents_file = "/a\u0000"' + BOTH, "agents_file: ", "a path"),
    "NUL in the admin socket's path": (r'admin_socket = "/\u0000"' + BOTH, "admin_socket: "),
    "NUL in a socket's path": (BOTH.replace(".sock", r"\u0000"), "agents[0].listen: ", "/path"),
    "relative path": (BOTH.replace("/run", "run"), "agents[0].listen: ", "unix:/path"),
    "what was found": (BOTH.replace("tcp:", "udp:"), 'listen: found "udp:192.0.2.1:4817"'),
    "validators by Unix": (
        BOTH.replace("tcp:192.0.2.1:4817", "unix:/x"),
        'validators[0].listen: found "unix:/x", expected tcp:host:port',
    ),
    "uids by TCP": (
        '[[agents]]\nlisten = "tcp:h:1"\nuids = [0]\n' + BOTH,
        "agents[0].uids: found with a tcp listener",
    ),
    "no proxy": (BOTH + "proxy_from = []", "validators[0].proxy_from: found nobody"),
    "a proxy by name": (
        BOTH + 'proxy_from = ["10.0.0.5", "proxy"]',
        'validators[0].proxy_from[1]: found "proxy", expected an address or a network',
    ),
    "a proxy without a list": (
        BOTH + 'proxy_from = "10.0.0.5"',
        'proxy_from: found "10.0.0.5", expected an array of text',
    ),
    "proxies by Unix": (
        BOTH.replace('.sock"', ".sock\"\nproxy_from = ['10.0.0.5']"),
        "agents[0].proxy_from: found with a unix listener",
    ),
    "uid by name": (BOTH.replace('.sock"', ".sock\"\nuids = ['root']"), 'uids[0]: found "root"'),
    "uid below 0": (BOTH.replace('.sock"', '.sock"\nuids = [-1]'), "agents[0].uids[0]: found -1"),
    "a uid that nobody has": (
        BOTH.replace('.sock"', '.sock"\nuids = [4294967294, 4294967295]'),
        "agents[0].uids[1]: found 4294967295, expected a whole number, 0 to 4,294,967,294",
    ),
    "unknown log format": (BOTH + '[log]\nformat = "xml"', 'log.format: found "xml"', '"json"'),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_says_where_and_what(name: str, tmp_path: Path) -> None:
    text, *parts = ERRORS[name]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/relay.toml: ")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "kee = 1\n[limits]\nholdd = 5\nlinks = 0")
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{tmp_path}/relay.toml: ") for line in lines)
    assert [line.split(": ")[1] for line in lines] == ["kee", "limits.holdd", "limits.links"]


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        config.load(tmp_path / "none")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration: Is a directory"):
        config.load(tmp_path)


def test_a_pipe_is_no_configuration_and_no_key(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(ConfigError, match="cannot read the configuration: it is a pipe"):
        config.load(pipe)
    with pytest.raises(ConfigError, match="cannot read the key file: it is a pipe"):
        config.plan(load(tmp_path, f'key = "{pipe}"\n{BY_TCP}'))
    keys.create_private_key(tmp_path / "key")
    files = f'key = "{tmp_path}/key"\nagents_file = "{pipe}"\n'
    with pytest.raises(ConfigError, match="cannot read the agents' keys: it is a pipe"):
        config.plan(load(tmp_path, files + BY_TCP))


def test_key_files_are_read_only_where_keys_are_needed(tmp_path: Path) -> None:
    missing = f'key = "{tmp_path}/none"\n'
    config.plan(load(tmp_path, missing + BOTH))
    by_tcp = BOTH.replace("unix:/run/agents.sock", "tcp:192.0.2.1:4816")
    with pytest.raises(ConfigError, match=r"none: cannot read the key file.*generate-key"):
        config.plan(load(tmp_path, missing + by_tcp))
