"""The commands about accounts, typed as root, and what a running agent, its relay and a device make
of them."""

import csv
import io
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from pam_agent.audit_command import _cell
from pam_agent.cli import main
from pam_agent.local_wire import Result
from pam_agent.sign_ons import Kind
from protocol.signon_messages import Verdict
from tests.support.programs import BIN
from tests.support.small_disk import fill, small_disk
from tests.support.together import Together, signs_on, together

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may open a break-glass")

WITH_PASSWORD = {"service": "sudo", "first_factor": "password"}


async def run(parts: Together, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `bartizan-agent`."""
    config = parts.agent.config
    file = config.state.parent / "agent.toml"
    if not file.exists():
        file.write_text(f'admin_socket = "{config.admin_socket}"\n')
    done = await trio.run_process(
        [str(BIN / "bartizan-agent"), *arguments, "--config", str(file)],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode()
    assert "Traceback" not in said, said
    return done.returncode, said


async def good(parts: Together, *arguments: str) -> str:
    code, said = await run(parts, *arguments)
    assert code == 0, said
    return said


# ---- break-glass ---------------------------------------------------------------------------------


async def test_a_break_glass_from_its_opening_to_the_devices_screen(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        opened = await good(parts, "breakglass", "alice", "--ttl", "90m", "--reason", "phone lost")
        assert "note: this host knows no user alice; doing it anyway" in opened
        assert re.search(r"open: alice until [-0-9]+ [:0-9]+, by uid 0: phone lost\n", opened)
        line = await parts.log.event("break-glass opened")
        assert (line["level"], line["user"], line["reason"]) == ("warning", "alice", "phone lost")
        assert "break-glass 1 open" in await good(parts, "status")
        assert "BREAK-GLASS  alice until" in await good(parts, "accounts")

        # Nobody is asked, and only who has a first factor is let in.
        async with parts.agent.call(**WITH_PASSWORD) as caller:
            assert await caller.result() is Result.APPROVED
            assert not any("passcode" in text for _, text in caller.shown)
        assert (await parts.ended("break-glass"))["level"] == "warning"
        async with parts.agent.call("bob", **WITH_PASSWORD) as caller:
            await caller.passcode()
        await parts.ended("cancelled", 2)

        assert "ended: alice until" in await good(parts, "breakglass", "alice", "--end")
        code, said = await run(parts, "breakglass", "alice", "--end")
        assert (code, said) == (1, "bartizan-agent: none is open for alice\n")

        # The device tells until it has decided, and not again.
        told = "UTC, used once: phone lost"
        async with parts.agent.call(**WITH_PASSWORD) as caller:
            passcode = await caller.passcode()
            async with parts.phone.attempt(passcode) as attempt:
                assert (await attempt.context()).alert.endswith(told)
            await parts.phone.sign_on(passcode, Verdict.DENY)
            assert await caller.result() is Result.DENIED
        assert parts.phone.contexts[-1].alert.startswith("break-glass for alice, ")
        assert parts.phone.contexts[-1].alert.endswith(told)
        async with parts.agent.call(**WITH_PASSWORD) as caller:
            await signs_on(parts, caller, await caller.passcode())
        assert parts.phone.contexts[-1].alert == ""

        kinds = [
            (entry["kind"], entry["outcome"])
            for entry in map(json.loads, (await good(parts, "audit", "--json")).splitlines())
        ]
        assert kinds == [
            ("enrolment", "enrolled"),
            ("break-glass", "opened"),
            ("sign-on", "break-glass"),
            ("break-glass", "ended"),
            ("sign-on", "denied"),
            ("sign-on", "approved"),
        ]


async def test_where_it_is_the_only_factor_nobody_is_let_in(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        await good(parts, "breakglass", "alice", "--reason", "phone lost")
        async with parts.agent.call(service="sshd") as caller:
            await caller.passcode()
        assert "first factor" in (await parts.log.event("break-glass not used"))["reason"]
        await parts.ended("cancelled")


async def test_on_a_full_disk_it_lets_nobody_in(tmp_path: Path) -> None:
    """Nobody is let in whom the audit log does not know, and nothing is opened."""
    with small_disk(tmp_path) as disk:
        async with together(disk) as parts:
            await good(parts, "breakglass", "alice", "--reason", "phone lost")
            filler = fill(disk)
            outcomes = set()
            for _ in range(5):  # SQLite has some room of its own left
                async with parts.agent.call(**WITH_PASSWORD) as caller:
                    outcomes.add(await caller.result())
            assert Result.FAILED in outcomes
            assert outcomes <= {Result.APPROVED, Result.FAILED}
            granted = parts.agent.host.sign_ons.ended[Kind.SIGN_ON]["break-glass"]
            code, said = await run(parts, "breakglass", "bob", "--reason", "x" * 100)
            assert code == 1
            assert "the disk is full: free space on it" in said
            filler.unlink()
            assert "bob" not in await good(parts, "breakglass")
            entries = (await good(parts, "audit", "--json")).splitlines()
            assert sum('"outcome":"break-glass"' in each for each in entries) == granted


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("alice",), "either --reason (and --ttl), or --end"),
        (("alice", "--ttl", "2h"), "--reason is needed"),
        (("alice", "--ttl", "2h", "--reason", ""), "expected 1 to 100 printable characters"),
        (("alice", "--reason", "x" * 101), "expected 1 to 100 printable characters"),
        (("alice", "--reason", "x", "--end"), "either --reason"),
        (("alice", "--ttl", "25h", "--reason", "x"), "from 1m to 24h"),
        (("alice", "--ttl", "2", "--reason", "x"), "such as 90m or 2h"),
        (("--end",), "for whom? Give USER"),
        (("--reason", "x"), "for whom? Give USER"),
        (("al\nice", "--end"), "printable characters"),
    ],
)
def test_a_wrong_command_line(arguments: tuple[str, ...], why: str) -> None:
    done = CliRunner().invoke(main, ["breakglass", *arguments])
    assert done.exit_code == 2
    assert why in " ".join(done.output.split())


async def test_another_user_may_not() -> None:
    done = await trio.run_process(
        [
            "setpriv",
            "--reuid=65534",
            "--clear-groups",
            str(BIN / "bartizan-agent"),
            "breakglass",
            "alice",
            "--reason",
            "x",
        ],
        capture_stderr=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 1
    assert b"only root may open or end a break-glass" in done.stderr


# ---- aliases and methods -------------------------------------------------------------------------


async def test_another_name_asks_the_accounts_devices(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        await good(parts, "alias", "root", "alice")
        assert await good(parts, "alias") == "root signs on with the devices of alice\n"
        async with parts.agent.call("root") as caller:
            await signs_on(parts, caller, await caller.passcode())
        (context,) = parts.phone.contexts
        assert (context.user, context.note) == ("alice", "signs on as root")
        code, said = await run(parts, "enroll", "root")
        assert (code, said.splitlines()[-1]) == (
            1,
            "bartizan-agent: root is another name of alice: enrol that",
        )
        await good(parts, "alias", "root", "--remove")
        assert await good(parts, "alias") == ""
        code, said = await run(parts, "alias", "alice", "bob")
        assert code == 1
        assert "alice has devices of its own" in said


async def test_methods_are_set_and_listed(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        await good(parts, "methods", "alice", "totp", "approve", "--service", "sshd")
        await good(parts, "methods", "alice", "code")
        assert (await good(parts, "methods")).splitlines() == [
            "alice for every service: code",
            "alice for sshd: approve, totp",
        ]
        (first, _) = (await good(parts, "methods", "--json")).splitlines()
        assert json.loads(first) == {
            "type": "methods",
            "account": "alice",
            "service": "*",
            "methods": ["code"],
        }
        everything = json.loads(await good(parts, "accounts", "--json"))
        assert [each["type"] for each in everything] == ["device", "methods", "methods"]
        await good(parts, "methods", "alice", "--remove")
        code, said = await run(parts, "methods", "alice", "--remove")
        assert (code, said) == (1, "bartizan-agent: nothing was set for alice and *\n")
        code, said = await run(parts, "methods", "alice", "push")
        assert code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("alias", "tom"),
        ("alias", "tom", "thomas", "--remove"),
        ("methods", "tom"),
        ("methods", "--remove"),
        ("methods", "tom", "code", "--remove"),
        ("methods", "tom", "code", "--service", ""),
        ("audit", "--json", "--csv"),
        ("audit", "--since", "yesterday"),
        ("audit", "--since", "9999999d"),
    ],
)
def test_more_wrong_command_lines(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2


# ---- the audit log -------------------------------------------------------------------------------


async def test_the_audit_log_is_exported(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call(rhost="192.0.2.7") as caller:
            await signs_on(parts, caller, await caller.passcode())
        await parts.ended("approved")
        text = (await good(parts, "audit")).splitlines()
        assert len(text) == 2
        assert re.fullmatch(
            r"[-0-9]{10} [:0-9]{8}  sign-on  approved  alice  service sudo  from 192\.0\.2\.7"
            r"  device 1",
            text[1],
        )
        rows = list(csv.DictReader(io.StringIO(await good(parts, "audit", "--csv"))))
        assert [row["kind"] for row in rows] == ["enrolment", "sign-on"]
        entry = json.loads((await good(parts, "audit", "--json")).splitlines()[1])
        assert entry["type"] == "audit"
        assert rows[1]["handshake"] == entry["handshake"]
        assert re.fullmatch(r"[0-9a-f]{64}", entry["handshake"])
        assert abs(entry["at"] - time.time()) < 60
        tomorrow = time.strftime("%Y-%m-%d", time.localtime(time.time() + 90000))
        assert await good(parts, "audit", "--since", tomorrow) == ""
        assert len((await good(parts, "audit", "--since", "1h")).splitlines()) == 2


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+1", "'+1"),
        ("a=b", "a=b"),
        ("a\x9b2J\u202eb", "a2Jb"),
        ("\x1b=1", "'=1"),
        (-1, -1),
        (None, ""),
    ],
)
def test_no_text_is_a_formula(value: object, cell: object) -> None:
    assert _cell(value) == cell
