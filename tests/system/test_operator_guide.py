"""docs/operator.md, followed to the letter on three bare machines, to sign-ons by sudo and by ssh.

The machines are on the networks that Bartizan is for: host and device cannot reach each other.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.guide import GUIDE, Command, Edit, steps
from tests.support.machine import Machine, machine
from tests.support.people import PASSCODE, approves, enrolls
from tests.support.sniffer import Packets, sniffing
from tests.support.terminal import ENTER, Terminal, terminal
from tests.support.topology import DEVICE, HOST, INNER, INTERFACE, OUTER, Topology, topology

PASSWORD = "Password of ada's"
PUT_IN_ITS_PLACE = "@include common-auth\n"
FEWER_ON_THE_BASTION = 10
MOST_ON_THE_HOST = 5


@dataclass
class Operator:
    """Follows the guide. Knows what it has printed, and how many commands root has typed where."""

    bastion: Machine
    host: Machine
    device: Machine
    printed: dict[str, str] = field(default_factory=dict)
    typed: Counter[str] = field(default_factory=Counter)

    async def does(self, step: Command) -> None:
        """A command whose end is waited for; the two of them that print a key are remembered."""
        out = (await self._machine(step).run("bash", "-c", self._filled_in(step))).strip()
        if "public-key" in step.line:
            self.printed["THE RELAY'S PUBLIC KEY"] = out
        if "link-key" in step.line:
            self.printed["THE LINE OF THE HOST"] = out

    async def linked(self) -> None:
        try:
            await self.host.logged("bartizan-agent", "link up")
        except AssertionError as error:
            raise AssertionError(await self.bastion.journal("bartizan-relay")) from error

    def command(self, step: Command) -> list[str]:
        """A command for a terminal of its own."""
        words = ("bash", "-c", self._filled_in(step))
        return self._machine(step).command(*words, user=step.user)

    def edits(self, step: Edit) -> None:
        """At the end of the file, or, in a PAM service, in the place of a line."""
        of_the_relay = step.path.endswith("relay.toml")
        file = (self.bastion if of_the_relay else self.host).path(step.path)
        before = file.read_text() if file.exists() else ""
        text = self._with_what_was_printed(step.text)
        if step.kind == "pam":
            assert before.count(PUT_IN_ITS_PLACE) == 1
            file.write_text(before.replace(PUT_IN_ITS_PLACE, text))
        else:
            file.write_text(before + text)

    def _machine(self, step: Command) -> Machine:
        return {"bastion": self.bastion, "host": self.host, "device": self.device}[step.where]

    def _filled_in(self, step: Command) -> str:
        if step.user == "root":
            self.typed[step.where] += 1
        return self._with_what_was_printed(step.line)

    def _with_what_was_printed(self, text: str) -> str:
        for words, value in self.printed.items():
            text = text.replace(words, value)
        assert not re.search(r"THE [A-Z]+", text), f"nothing has printed it: {text}"
        return text


@asynccontextmanager
async def three_machines(debs: Iterable[Path], networks: Topology) -> AsyncIterator[Operator]:
    """Bare, but for a user ada where there are users, and for the packages where root is."""
    async with AsyncExitStack() as stack:
        up = stack.enter_async_context
        bastion = await up(machine("bastion", networks.bastion))
        host = await up(machine("web1", networks.intranet))
        device = await up(machine("laptop", networks.outside))
        for each, address in ((host, INNER), (device, OUTER)):
            with each.path("/etc/hosts").open("a") as hosts:
                hosts.write(f"{address} bastion.example\n")
            await each.run("useradd", "--create-home", "--shell=/bin/bash", "--groups=sudo", "ada")
        await host.run("chpasswd", typed=f"ada:{PASSWORD}\n")
        for each in (bastion, host, device):
            each.receive(debs, "/root")
        yield Operator(bastion, host, device)


async def knows_the_password(screen: Terminal) -> None:
    await screen.shows("[Pp]assword.*: ")
    await screen.type(PASSWORD + ENTER)


async def signs_on_by_sudo(operator: Operator, on_host: Command, on_device: Command) -> None:
    async with terminal(operator.command(on_host)) as screen:
        await knows_the_password(screen)
        operator.printed["PASSCODE"] = (await screen.shows(PASSCODE))[1]
        context = await approves(operator.command(on_device))
        await screen.shows(r"uid=0\(root\)")
        assert await screen.ends() == 0
    assert re.search(r"Service +sudo\b", context)
    assert re.search(r"Note +as root, in \S+: sudo id\b", context)


async def signs_on_by_ssh(operator: Operator) -> list[str]:
    """And, in the session, by sudo. Both passcodes."""
    host, found = operator.host, list[str]()
    await host.run("install", "--directory", "--mode=700", ".ssh", user="ada")
    await host.run("ssh-keygen", "-q", "-N", "", "-f", ".ssh/id_ed25519", user="ada")
    await host.run("cp", ".ssh/id_ed25519.pub", ".ssh/authorized_keys", user="ada")
    ssh = ("ssh", "-tt", "-o", "StrictHostKeyChecking=no", "ada@web1", "sudo", "-k", "id")
    async with terminal(host.command(*ssh, user="ada")) as screen:
        seen = 0
        for service in ("sshd", "sudo"):
            if service == "sudo":
                await knows_the_password(screen)
            shown = await screen.shows(PASSCODE, after=seen)
            seen = shown.end()
            found.append(shown[1])
            line = f"bartizan sign-on web1 {found[-1]}"
            context = await approves(operator.command(Command("device", "ada", line)))
            assert re.search(rf"Service +{service}\b", context)
            if service == "sshd":
                await screen.type(ENTER)
        await screen.shows(r"uid=0\(root\)")
        assert await screen.ends() == 0
    return found


async def nothing_else_passes(operator: Operator) -> None:
    """Host and device each have the bastion as their gateway, and an sshd."""

    async def reaches(machine: Machine, address: str, seconds: int) -> bool:
        connect = ("timeout", str(seconds), "bash", "-c", f"</dev/tcp/{address}/22")
        return (await machine.ended(*connect)).returncode == 0

    assert await reaches(operator.bastion, HOST, 20)
    assert await reaches(operator.bastion, DEVICE, 20)
    assert not await reaches(operator.host, DEVICE, 2)
    assert not await reaches(operator.device, HOST, 2)


def only_to_the_relay(packets: Packets, relay: str, passcodes: list[str]) -> None:
    """And nothing in it that anybody could read."""
    assert packets.flows
    assert all(relay in flow for flow in packets.flows), packets.flows
    assert packets.others == []
    for secret in ("web1", "laptop", "sudo", *(each.replace(" ", "") for each in passcodes)):
        assert secret.encode() not in packets.content


async def test_from_bare_machines_to_sign_ons(debs: tuple[Path, ...]) -> None:
    todo = iter(steps(GUIDE.read_text()))
    with topology() as networks:
        async with three_machines(debs, networks) as operator:
            await follows(operator, todo)
            await operator.host.logged("ssh", "Server listening on 0.0.0.0", 2)  # once more
            assert operator.typed["bastion"] < FEWER_ON_THE_BASTION
            assert operator.typed["host"] <= MOST_ON_THE_HOST
            checked = await operator.host.run("bartizan-agent", "check")
            assert checked.splitlines()[-1] == "no mistakes found", checked
            await nothing_else_passes(operator)
            async with (
                sniffing(networks.intranet, INTERFACE) as inner,
                sniffing(networks.outside, INTERFACE) as outer,
            ):
                passcodes = await signs_on_by_ssh(operator)
            only_to_the_relay(inner, f"{INNER}:4816", passcodes)
            only_to_the_relay(outer, f"{OUTER}:4817", passcodes)


async def follows(operator: Operator, todo: Iterator[Command | Edit]) -> None:
    for step in todo:
        match step:
            case Edit():
                operator.edits(step)
            case Command(line="bartizan-agent enroll ada"):
                await operator.linked()
                await enrolls(operator.command(step), operator.command(_command(todo)))
            case Command(line="sudo id"):
                await signs_on_by_sudo(operator, step, _command(todo))
                assert operator.typed["host"] < MOST_ON_THE_HOST
            case Command():
                await operator.does(step)


def _command(todo: Iterator[Command | Edit]) -> Command:
    """The next step, which belongs to the one before."""
    step = next(todo)
    assert isinstance(step, Command)
    return step
