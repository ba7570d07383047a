"""All ways through a stack, against every combination of what its modules return."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pam_agent.stack_codes import Code
from pam_agent.stack_file import Entry, Role, read
from pam_agent.stack_paths import OURS, ways
from pam_agent.stack_run import run
from tests.support.service_pages import COMMON_AUTH

SOME = (Code.SUCCESS, Code.AUTH_ERR, Code.IGNORE, Code.NEW_AUTHTOK_REQD, Code.AUTHINFO_UNAVAIL)
CONTROLS = (
    "required",
    "requisite",
    "sufficient",
    "optional",
    "[success=1 default=ignore]",
    "[success=ok authinfo_unavail=ignore default=die]",
    "[default=reset]",
    "[auth_err=ok default=1]",
)
MODULES = (OURS, "pam_unix.so", "pam_env.so", "pam_permit.so", "pam_deny.so")
FIXED = {"pam_permit.so": Code.SUCCESS, "pam_deny.so": Code.AUTH_ERR}
NEVER = {("pam_unix.so", Code.IGNORE)}
lines = st.builds("auth {} {}\n".format, st.sampled_from(CONTROLS), st.sampled_from(MODULES))
subs = st.lists(lines, min_size=1, max_size=1).map("".join)


class Called:
    """What each module is to return, and what those that were called have returned."""

    def __init__(self, stack: list[Entry], codes: dict[int, Code]) -> None:
        self.stack = stack
        self.codes = codes
        self.said: dict[int, Code] = {}

    def __call__(self, at: int) -> Code:
        self.said[at] = FIXED.get(self.stack[at].name, self.codes[at])
        return self.said[at]


def by_hand(files: dict[str, str]) -> set[tuple[Code | None, bool]]:
    """What ours returned (None for not called) and whether it was granted, for every combination
    of some codes."""
    stack = read("demo", files.get).entries
    callable_ = [at for at, each in enumerate(stack) if each.role is Role.MODULE]
    said = set()
    for codes in itertools.product(SOME, repeat=len(callable_)):
        by_index = dict(zip(callable_, codes, strict=True))
        if any((stack[at].name, code) in NEVER for at, code in by_index.items()):
            continue
        called = Called(stack, by_index)
        result = run(stack, called)
        ours = [code for at, code in called.said.items() if stack[at].name == OURS]
        best = Code.SUCCESS if Code.SUCCESS in ours else ours[-1] if ours else None
        said.add((best, result is Code.SUCCESS))
    return said


@given(stack=st.lists(lines, min_size=1, max_size=3).map("".join), sub=subs, where=st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_way_is_missed_and_none_is_made_up(stack: str, sub: str, where: bool) -> None:
    files = {"demo": stack + ("auth substack sub\n" if where else ""), "sub": sub}
    walked = {
        (way.passed.ours, way.granted)
        for way in ways(read("demo", files.get).entries)
        if way.passed.ours in (None, *SOME)
    }
    assert walked == by_hand(files)


def test_a_way_is_what_happens() -> None:
    stack = read("demo", {"demo": COMMON_AUTH + f"auth required {OURS}\n"}.get).entries
    for way in ways(stack):
        codes = {stack.index(entry): code for entry, code in way.steps}
        assert run(stack, Called(stack, codes)) is way.result


@pytest.mark.parametrize("code", [each for each in Code if each is not Code.INCOMPLETE])
def test_every_code_of_our_module_is_tried(code: Code) -> None:
    stack = read("demo", {"demo": f"auth required {OURS}\n"}.get).entries
    assert code in {way.passed.ours for way in ways(stack)}


def test_root_and_first_factors_are_told_apart() -> None:
    text = f"auth sufficient pam_rootok.so\nauth requisite pam_unix.so\nauth required {OURS}\n"
    granted = [way for way in ways(read("demo", {"demo": text}.get).entries) if way.granted]
    assert {(way.passed.root, way.passed.first_factor, way.passed.ours) for way in granted} == {
        (True, False, None),
        (False, True, Code.SUCCESS),
        (False, True, Code.IGNORE),
    }
    assert not any(way.passed.asked_without for way in granted)


@pytest.mark.parametrize(
    ("module", "ignores"),
    [
        ("pam_unix.so nullok", False),
        ("pam_sss.so use_first_pass", False),
        ("pam_sss.so ignore_unknown_user", True),
        ("pam_krb5.so minimum_uid=1000", True),
        ("pam_env.so", True),
    ],
)
def test_who_may_ignore(module: str, ignores: bool) -> None:
    stack = read("demo", {"demo": f"auth required {module}\n"}.get).entries
    said = {code for way in ways(stack) for _, code in way.steps}
    assert (Code.IGNORE in said) is ignores


def test_many_modules_are_not_too_many() -> None:
    text = "".join(f"auth {control} pam_env.so\n" for control in CONTROLS[:4] * 20)
    stack = read("demo", {"demo": text + f"auth required {OURS}\n"}.get).entries
    assert any(way.passed.ours is Code.SUCCESS for way in ways(stack))
