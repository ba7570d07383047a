"""`make run`: all four parties as real programs, with and without a person at the terminal."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import CTRL_C, ENTER, terminal

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "deploy" / "demo" / "packages"
SECONDS = 90
NOBODY = 65534
STEP = re.compile(r"^ +(\d+\.\d)  (\w+) +(.+)$", re.MULTILINE)
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Where the demo makes its directory; a short path, since Unix sockets are to lie in it."""
    with tempfile.TemporaryDirectory(prefix="b") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def command(*, nobody: bool = False) -> list[str]:
    """`make run`; as another user where this is root and that user may use the checkout."""
    make = ["make", "--no-print-directory", "-C", str(ROOT), "run"]
    return [*AS_NOBODY, *make] if nobody else make


def environment(temporary: Path, **more: str) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if name not in ("AUTO", "MAKEFLAGS")}
    return {**kept, "TMPDIR": str(temporary), "PYTHON": sys.executable, **more}


def run(temporary: Path, *, nobody: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(nobody=nobody),
        env=environment(temporary, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def nothing_is_left(temporary: Path) -> bool:
    """No file, and no process that knows the directory."""
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(temporary).encode() in cmdline.read_bytes():
                return False
        except OSError:
            continue  # it has just ended
    return not list(temporary.iterdir())


@pytest.mark.parametrize("auto", [{"AUTO": "1"}, {}], ids=["AUTO=1", "no terminal"])
def test_a_demo_device_approves(temporary: Path, auto: dict[str, str]) -> None:
    ended = run(temporary, **auto)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"^sign-on [a-z2-7]{13}: signed on$", ended.stdout, re.MULTILINE)
    assert nothing_is_left(temporary)


def test_the_timeline_has_every_party_and_every_effect_after_its_cause(temporary: Path) -> None:
    steps = STEP.findall(run(temporary, AUTO="1").stdout)
    assert {party for _, party, _ in steps} == {"pam", "agent", "relay", "validator"}
    assert [float(at) for at, _, _ in steps] == sorted(float(at) for at, _, _ in steps)
    told = [f"{party} {what}" for _, party, what in steps]
    chain = ["pam asks", "agent has the module", "relay queues", "agent knows", "pam shows"]
    chain += ["validator is connected", "validator shows", "validator sends", "pam returns: Succ"]
    places = [next(n for n, what in enumerate(told) if what.startswith(link)) for link in chain]
    assert places == sorted(places), told


def test_a_demo_device_denies(temporary: Path) -> None:
    ended = run(temporary, AUTO="deny")
    assert ended.returncode != 0
    assert re.search(r"^sign-on [a-z2-7]{13}: not approved$", ended.stdout, re.MULTILINE)
    assert nothing_is_left(temporary)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run it without root already")
def test_no_root_is_needed(temporary: Path) -> None:
    python = [
        *AS_NOBODY,
        sys.executable,
        "-c",
        "import os, sys, trio, place; os.stat(sys.executable)",
    ]
    usable = subprocess.run(
        python, env={"PYTHONPATH": str(ROOT / "deploy/demo")}, capture_output=True, check=False
    )
    if usable.returncode != 0:
        pytest.skip("other users may not enter this checkout, or its Python")
    ended = run(temporary, nobody=True, AUTO="1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "asks the module to authenticate nobody" in ended.stdout
    assert nothing_is_left(temporary)


def test_an_auto_that_is_neither_is_refused(temporary: Path) -> None:
    ended = run(temporary, AUTO="yes")
    assert ended.returncode != 0
    assert "AUTO=yes: expected 1 or deny" in ended.stderr
    assert nothing_is_left(temporary)


@pytest.mark.parametrize(
    ("key", "device_says", "ending"),
    [("a", "Signed on", ": signed on"), ("d", "Denied", ": not approved")],
    ids=["approve", "deny"],
)
async def test_a_person_decides_with_the_printed_command(
    temporary: Path, key: str, device_says: str, ending: str
) -> None:
    async with terminal(command(), env=environment(temporary)) as host:
        await host.shows("Then press Enter here")
        pasted = re.search(r"^BARTIZAN_HOME=.*\\\r?\n.*$", host.screen, re.MULTILINE)
        assert pasted is not None, host.screen
        shell_line = pasted[0].replace("\r", "")
        async with terminal(["sh", "-c", shell_line], env={"TMPDIR": str(temporary)}) as device:
            await device.shows(r"Terminal +/dev/pts/")
            await device.shows("Enter denies")
            await device.type(key)
            await device.shows(device_says)
            await device.ends()
        await host.shows("it is decided")
        await host.type(ENTER)
        await host.shows(ending)
        code = await host.ends()
    assert (code == 0) == (key == "a")
    assert nothing_is_left(temporary)


async def test_ctrl_c_puts_everything_away(temporary: Path) -> None:
    async with terminal(command(), env=environment(temporary)) as host:
        await host.shows("Then press Enter here")
        assert not nothing_is_left(temporary)
        await host.type(CTRL_C)
        await host.shows("not approved: interrupted")
        assert await host.ends() != 0
    assert nothing_is_left(temporary)


def test_missing_packages_are_named_in_one_command(tmp_path: Path) -> None:
    if shutil.which("apt-get") is None:
        pytest.skip("no apt-get here")
    as_other = AS_NOBODY if os.geteuid() == 0 else []
    ended = subprocess.run(
        [*as_other, "bash", "-s", "environment", "module"],
        input=PACKAGES.read_text(),
        env={"PATH": os.environ["PATH"], "PYTHON": "/usr/bin/python3", "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "apt-get install --yes --no-install-recommends" in ended.stderr
    assert " gcc libpam0g-dev" in ended.stderr
