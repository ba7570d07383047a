"""Users and groups of a directory, as the packaged agent sees them from within its sandbox."""

from pathlib import Path

from pam_agent.local_wire import RecordType, Result
from tests.support.caller import calling
from tests.support.directory import asks_it, directory
from tests.support.machine import Machine, machine

AGENT = "bartizan-agent"
PEOPLE = {
    "u dora": "70001 70000",
    "u emil": "70002 70000",
    "g team": "70100",
    "i dora": "70000 70100",
    "i emil": "70000",
}


async def result(host: Machine, user: str) -> Result | None:
    """Of a sign-on at sshd, as root's program asks for it; None where a passcode is shown."""
    path = host.path("/run/bartizan-agent/pam.sock")
    async with calling(path, user, service="sshd", first_factor="publickey") as caller:
        kind, payload = await caller.record()
        return Result(payload[0]) if kind is RecordType.RESULT else None


async def test_a_directory_says_who_has_to_sign_on(debs: tuple[Path, ...]) -> None:
    async with machine("web1", debs=debs) as host:
        asks_it(host)
        written = host.path("/etc/bartizan/agent.toml")
        before = written.read_text()
        async with directory(host, PEOPLE):
            for count, named in enumerate(('groups = ["team"]', 'users = ["dora"]'), start=2):
                written.write_text(f"{before}\n[services.sshd]\n{named}\n")
                await host.run("systemctl", "restart", AGENT)
                await host.logged(AGENT, "link up", count)
                assert await result(host, "dora") is None
                assert await result(host, "emil") is Result.IGNORED
                assert await result(host, "nobody-knows") is None
        assert await result(host, "emil") is None, "the directory is away: everybody has to"
