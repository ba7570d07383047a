"""The simulated stack against the system's libpam: each stack is run by both."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pam_agent.stack_codes import MUST_FAIL, Action, Code
from pam_agent.stack_file import Entry, Role, read
from pam_agent.stack_run import run
from tests.support.pam_results import Results, pam_results

WORDS = ("required", "requisite", "optional", "sufficient")
ACTIONS = tuple(action.name.lower() for action in Action)
DEBUG = "pam_debug.so auth="
FIXED = {"pam_permit.so": Code.SUCCESS, "pam_deny.so": Code.AUTH_ERR}


@pytest.fixture(scope="session")
def libpam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    with pam_results(tmp_path_factory.mktemp("pam.d")) as results:
        yield results


def returns(entry: Entry) -> Code:
    """What the modules of these stacks return: pam_debug.so what its argument says."""
    if (fixed := FIXED.get(entry.name)) is not None:
        return fixed
    if entry.name != "pam_debug.so":
        return Code.MODULE_UNKNOWN
    return Code[entry.arguments[0].removeprefix("auth=").upper()]


def simulated(files: dict[str, str], service: str = "service") -> Code:
    reading = read(service, files.get)
    if reading.aborted:
        return Code.ABORT
    return run(reading.entries, lambda at: returns(reading.entries[at]))


def same(libpam: Results, files: dict[str, str]) -> None:
    for left in libpam.folder.iterdir():
        left.unlink()
    assert simulated(files) == libpam.of_files(files), files


def line(control: str, code: Code) -> str:
    return f"auth {control} {DEBUG}{code.name.lower()}\n"


@pytest.mark.parametrize("control", [*WORDS, *(f"[default={action}]" for action in ACTIONS)])
@pytest.mark.parametrize("code", Code)
def test_every_code_under_every_control(libpam: Results, control: str, code: Code) -> None:
    for behind in ("", line("required", Code.SUCCESS), line("required", Code.PERM_DENIED)):
        same(libpam, {"service": line(control, code) + behind})
        same(libpam, {"service": behind + line(control, code)})


SOME = (Code.SUCCESS, Code.NEW_AUTHTOK_REQD, Code.AUTH_ERR, Code.IGNORE, Code.PERM_DENIED)
CONTROLS = (
    *WORDS,
    "[success=1 default=ignore]",
    "[success=done new_authtok_reqd=ok default=die]",
    "[default=reset]",
    "[default=2]",
    "[ignore=ok default=done]",
)


@pytest.mark.parametrize("first", CONTROLS)
def test_every_pair(libpam: Results, first: str) -> None:
    """Of some controls and codes, and what a third module, or none, makes of it."""
    for one, second, other in itertools.product(SOME, CONTROLS, SOME):
        two = line(first, one) + line(second, other)
        same(libpam, {"service": two})
        same(libpam, {"service": two + line("required", Code.SUCCESS)})


codes = st.sampled_from(Code)
controls = st.one_of(
    st.sampled_from(WORDS),
    st.dictionaries(
        st.sampled_from([*(code.name.lower() for code in SOME), "default", "authinfo_unavail"]),
        st.one_of(st.sampled_from(ACTIONS), st.integers(0, 4).map(str)),
        max_size=4,
    ).map(lambda pairs: "[" + " ".join(f"{k}={v}" for k, v in pairs.items()) + "]"),
    st.sampled_from(
        ["[]", "[ ]", "[success=ok,default=die]", "[success=okdefault=bad]", "REQUIRED"]
    ),
)
modules = st.one_of(
    codes.map(lambda code: DEBUG + code.name.lower()),
    st.sampled_from(["pam_permit.so", "pam_deny.so", "pam_no_such.so", ""]),
)
types = st.sampled_from(["auth", "auth", "auth", "auth", "-auth", "Auth", "account", "oath", "-"])
calls = st.builds("{} {} {}\n".format, types, controls, modules)
included = st.sampled_from(["first", "second", "third", "missing"])
inclusions = st.one_of(
    st.builds(
        "auth {} {}\n".format, st.sampled_from(["include", "substack", "Substack"]), included
    ),
    st.builds("@include {}\n".format, included),
    st.sampled_from(["-auth include first\n", "account include first\n", "@INCLUDE\tfirst x\n"]),
)
noise = st.sampled_from(
    ["\n", "# auth required pam_deny.so\n", "auth required \\\n", "   \n", "\\\n"]
)
texts = st.lists(st.one_of(calls, calls, calls, inclusions, noise), max_size=6).map("".join)
leaves = st.lists(st.one_of(calls, calls, calls, noise), max_size=4).map("".join)


@given(
    files=st.fixed_dictionaries(
        {
            "service": texts,
            "first": leaves,
            "second": leaves,
            "third": texts.filter(lambda text: "third" not in text),
        },
        optional={"other": leaves},
    )
)
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
def test_any_stack(libpam: Results, files: dict[str, str]) -> None:
    same(libpam, files)


def test_a_file_that_includes_itself_fails_at_some_depth() -> None:
    reading = read("loop", {"loop": "auth sufficient pam_permit.so\nauth include loop\n"}.get)
    assert reading.entries[-1].role is Role.MUST_FAIL
    assert "16 files deep" in reading.problems[0].what


def test_an_inclusion_without_a_name_is_a_problem() -> None:
    """libpam does not survive it: there is nothing to compare with."""
    for line in ("@include", "auth include", "auth substack"):
        reading = read("service", {"service": line + "\n"}.get)
        assert [each.what for each in reading.problems] == ["names no file to include"]


@pytest.mark.parametrize("many", range(1, 5))
@pytest.mark.parametrize("code", SOME)
def test_a_jump_over_substacks(libpam: Results, many: int, code: Code) -> None:
    """A substack counts as one, with those within it, and none leads out of one."""
    jump = line(f"[default={many}]", Code.SUCCESS)
    outer = jump + "auth substack first\n" + line("required", Code.SUCCESS)
    inner = line("required", code) + "auth substack second\n" + line("optional", Code.SUCCESS)
    innermost = line("sufficient", Code.SUCCESS) + line("required", code)
    for first in (inner, jump + inner):
        same(libpam, {"service": outer + outer, "first": first, "second": innermost})


def test_a_call_that_is_to_be_made_again_is_over(libpam: Results) -> None:
    same(libpam, {"service": line("sufficient", Code.INCOMPLETE) + line("required", Code.SUCCESS)})
    stack = read("demo", {"demo": "auth required pam_x.so\n"}.get).entries
    assert run(stack, lambda _: Code.INCOMPLETE) is Code.INCOMPLETE


def test_a_result_that_nothing_has_decided_is_no_success() -> None:
    ignored = read("demo", {"demo": "auth optional pam_x.so\n"}.get).entries
    assert run(ignored, lambda _: Code.AUTH_ERR) is MUST_FAIL


def test_no_module_at_all_fails() -> None:
    assert run([], lambda _: Code.SUCCESS) == MUST_FAIL


@pytest.mark.parametrize(
    "text",
    [
        "auth required pam_permit.so\r\n",
        "auth sufficient pam_permit.so\r\nauth required pam_permit.so",
        "auth required pam_permit.so\n\r\n",
        "# a comment\r\nauth required pam_permit.so\n",
        "auth required \\\r\n pam_permit.so\n",
        "@include other\r\nauth required pam_permit.so\n",
        "auth required\u00a0pam_permit.so\n",
        "\ufeffauth required pam_permit.so\n",
        "auth required pam_permit\n",
        "auth required PAM_PERMIT.so\n",
    ],
)
def test_lines_of_other_programs_editors(libpam: Results, text: str) -> None:
    same(libpam, {"service": text, "other": "auth required pam_permit.so\n"})
