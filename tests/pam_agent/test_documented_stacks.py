"""No documented stack lets anybody in without the factor, whatever its modules return.

The stacks are read from docs/services; every code of our module is tried, with every success and
failure of the modules around it, by the system's own libpam and by the simulated one.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pam_agent.check_finding import Weight
from pam_agent.policy import Timers
from pam_agent.service_policy import ServiceTable, policy
from pam_agent.stack_codes import Code
from pam_agent.stack_file import read
from pam_agent.stack_findings import Asked, judge
from pam_agent.stack_paths import ways
from tests.support.pam_results import Results, pam_results
from tests.support.service_pages import COMMON_AUTH, Block, blocks

ROOT_FOLDER = Path(__file__).parents[2]
OURS = "pam_bartizan.so"
ROOT = "pam_rootok.so"
FIRST_FACTORS = ("pam_unix.so", "pam_ldap.so")
FIXED = ("pam_permit.so", "pam_deny.so")
PROFILE = ROOT_FOLDER / "deploy/config/pam-configs/bartizan"
FOR_ALL = "auth\t" + PROFILE.read_text().splitlines()[-1].strip() + "\n"
"""The line that pam-auth-update adds to common-auth, where somebody chooses the profile."""
STACKS = [
    *(each for each in blocks("pam") if OURS in each.text),
    Block("profile", "pam", Path("/etc/pam.d/anything"), "", COMMON_AUTH + FOR_ALL),
]
FAILURE = Code.AUTH_ERR
MODULE = re.compile(r"(?<=\s)pam_\w+\.so.*$")


@pytest.fixture(scope="module")
def libpam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    with pam_results(tmp_path_factory.mktemp("pam.d")) as results:
        yield results


def test_the_pages_of_the_known_services_have_stacks() -> None:
    assert {"sshd", "sudo", "sudo-i", "su", "login", "postgresql", "dovecot"} <= {
        each.name for each in STACKS
    }


def whole(block: Block) -> list[str]:
    """The lines of a stack, common-auth in its place."""
    return block.text.replace("@include common-auth\n", COMMON_AUTH).splitlines()


def module_of(line: str) -> str:
    found = MODULE.search(line)
    assert found, line
    return found[0].split()[0]


@pytest.mark.parametrize("block", STACKS, ids=str)
def test_nobody_gets_in_without_the_factor(libpam: Results, block: Block) -> None:
    lines = whole(block)
    names = [module_of(each) for each in lines]
    choices = [
        list(Code) if name == OURS else [None] if name in FIXED else [Code.SUCCESS, FAILURE]
        for name in names
    ]
    granted = set()
    for number, codes in enumerate(itertools.product(*choices)):
        text = "".join(
            (line if code is None else MODULE.sub(f"pam_debug.so auth={code.name.lower()}", line))
            + "\n"
            for line, code in zip(lines, codes, strict=True)
        )
        service = f"stack{number}"
        (libpam.folder / service).write_text(text)
        result = libpam.of(service)[0]
        (libpam.folder / service).unlink()
        if result is Code.SUCCESS:
            said = dict(zip(names, codes, strict=True))
            assert said[OURS] is Code.SUCCESS or is_meant(block, said), text
            if said.get(ROOT) is not Code.SUCCESS:
                granted.add(said[OURS])
    assert Code.SUCCESS in granted
    assert (Code.AUTHINFO_UNAVAIL in granted) == (block.mark == "unavailable-goes-on")


def is_meant(block: Block, said: dict[str, Code | None]) -> bool:
    """Whether a stack lets in without our module's success on purpose."""
    if said.get(ROOT) is Code.SUCCESS:
        return True
    proved = any(said.get(each) is Code.SUCCESS for each in FIRST_FACTORS)
    if said[OURS] is Code.IGNORE:
        return proved or block.mark == "not-required-goes-on"
    return proved and (block.mark, said[OURS]) == ("unavailable-goes-on", Code.AUTHINFO_UNAVAIL)


@pytest.mark.parametrize("block", STACKS, ids=str)
def test_all_ways_through_it_say_the_same(block: Block) -> None:
    """Of all codes of all modules, by the simulated stack."""
    files = {block.name: block.text, "common-auth": COMMON_AUTH}
    for way in ways(read(block.name, files.get).entries):
        if way.granted and way.passed.ours is not Code.SUCCESS:
            said: dict[str, Code | None] = {entry.name: code for entry, code in way.steps}
            assert is_meant(block, {OURS: way.passed.ours, **said}), way


@pytest.mark.parametrize("block", STACKS, ids=str)
@pytest.mark.parametrize("first_factor", [None, "password"])
def test_check_finds_no_mistake_in_it(block: Block, first_factor: str | None) -> None:
    files = {block.name: block.text, "common-auth": COMMON_AUTH}
    proved = block.name == "sshd" and "common-auth" not in block.text  # by the key
    has_password = "common-auth" in block.text or block.page == "profile"
    promised = first_factor if proved or has_password else None
    table = ServiceTable(first_factor=promised)
    asked = Asked(block.name, policy(block.name, table, Timers()), proved_before=proved)
    found = list(judge(asked, files.get))
    assert [each for each in found if each.weight is not Weight.NOTE] == []
