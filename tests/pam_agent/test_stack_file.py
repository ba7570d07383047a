"""How service files are read. That libpam reads them so is tests/pam_agent/test_stack_run.py's."""

import pytest

from pam_agent.stack_codes import Action, Code
from pam_agent.stack_file import MAX_FILES, Entry, Role, read

PERMIT = "auth required pam_permit.so\n"


def one(text: str) -> Entry:
    (entry,) = read("demo", {"demo": text}.get).entries
    return entry


def problems(text: str, **files: str) -> list[tuple[str, int, str]]:
    reading = read("demo", {"demo": text, **files}.get)
    return [(each.file, each.line, each.what) for each in reading.problems]


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        ("required", {Code.SUCCESS: Action.OK, Code.IGNORE: Action.IGNORE, Code.ABORT: Action.BAD}),
        ("requisite", {Code.NEW_AUTHTOK_REQD: Action.OK, Code.ABORT: Action.DIE}),
        ("Sufficient", {Code.SUCCESS: Action.DONE, Code.ABORT: Action.IGNORE}),
        ("optional", {Code.SUCCESS: Action.OK, Code.ABORT: Action.IGNORE}),
        ("[success=2 default=die]", {Code.SUCCESS: 2, Code.IGNORE: Action.DIE}),
        ("[default=die success=ok]", {Code.SUCCESS: Action.OK, Code.IGNORE: Action.DIE}),
        ("[ success = ok]", {Code.SUCCESS: Action.OK, Code.IGNORE: Action.BAD}),
        ("[success=okignore=reset]", {Code.SUCCESS: Action.OK, Code.IGNORE: Action.RESET}),
        ("[]", {Code.SUCCESS: Action.BAD}),
    ],
)
def test_controls(control: str, expected: dict[Code, int]) -> None:
    entry = one(f"auth {control} pam_x.so\n")
    assert {code: entry.actions[code] for code in expected} == expected
    assert entry.control == control


@pytest.mark.parametrize(
    ("control", "what"),
    [
        ("[sucess=ok]", "control [sucess=ok]: no return code at 'sucess=ok'"),
        ("[success]", "control [success]: no '=' behind success"),
        ("[success=0]", "control [success=0]: no action at '0'"),
        ("[success=99999999999]", "control [success=99999999999]: no action at '99999999999'"),
        (f"[success={'9' * 5000}]", f"control [success={'9' * 5000}]: no action at '{'9' * 5000}'"),
        ("[success=well]", "control [success=well]: no action at 'well'"),
        ("must", "control [must]: no return code at 'must'"),
    ],
)
def test_a_control_that_is_none_is_bad_throughout(control: str, what: str) -> None:
    assert set(one(f"auth {control} pam_x.so\n").actions) == {Action.BAD}
    assert problems(f"\nauth {control} pam_x.so\n") == [("demo", 2, what)]


def test_a_whole_line() -> None:
    entry = one("  -AUTH\t[success=ok]  /lib/security/pam_x.so a=1 [b c] [d\\]e] # f\n")
    assert (entry.module, entry.name) == ("/lib/security/pam_x.so", "pam_x.so")
    assert entry.arguments == ("a=1", "b c", "d]e")
    assert (entry.file, entry.line, entry.level, entry.role) == ("demo", 1, 0, Role.MODULE)


def test_a_joined_line_is_where_it_begins() -> None:
    entry = one("# c\n\nauth required \\\n# in between\n  pam_x.so\n")
    assert (entry.module, entry.line) == ("pam_x.so", 3)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("auth", "there is no control"),
        ("auth required", "there is no module"),
        ("auth include", "names no file to include"),
        ("auth substack", "names no file to include"),
        ("auth include gone", "includes 'gone', which cannot be read"),
        (
            "oath required pam_x.so",
            "'oath' is no type of module (auth, account, password, session)",
        ),
    ],
)
def test_a_line_that_cannot_be_used_fails(line: str, what: str) -> None:
    reading = read("demo", {"demo": f"{line}\n"}.get)
    assert reading.entries[-1].role is Role.MUST_FAIL
    assert [each.what for each in reading.problems] == [what]
    assert not reading.aborted


@pytest.mark.parametrize("text", ["@include gone\n" + PERMIT, "@include\n", "auth required \\\n"])
def test_what_libpam_gives_up_on(text: str) -> None:
    assert read("demo", {"demo": text}.get).aborted
    assert read("demo", {"demo": PERMIT, "other": text}.get).aborted


def test_a_carriage_return_is_told_once_a_file() -> None:
    text = "# c\r\n" + (PERMIT + "account include a\n").replace("\n", "\r\n")
    reading = read("demo", {"demo": text, "a": "account required pam_x.so\r\n"}.get)
    assert [(each.line, each.fails) for each in reading.problems] == [(2, False), (3, True)]
    assert reading.entries[0].name == "pam_permit.so\r"
    assert reading.problems[1].what == "includes 'a\\r', which cannot be read"


def test_what_libpam_does_not_come_to_is_kept() -> None:
    text = "@include gone\nauth required \\\n pam_1.so\n# c\nauth required pam_2.so"
    reading = read("demo", {"demo": text}.get)
    assert [each.split() for each in reading.unreached] == [
        ["auth", "required", "pam_1.so"],
        ["auth", "required", "pam_2.so"],
    ]
    assert read("none", {"other": text}.get).unreached == reading.unreached
    cut = read("demo", {"demo": "auth required pam_1.so \\\n"}.get)
    assert [each.text.split() for each in cut.problems] == [["auth", "required", "pam_1.so"]]


def test_files_within_files() -> None:
    files = {
        "demo": "auth include a\n@include b\nauth substack a\naccount include a\n",
        "a": "account required pam_1.so\nauth required pam_2.so\n",
        "b": "auth required pam_3.so\nsession required pam_4.so\n",
    }
    reading = read("demo", files.get)
    assert [(each.name, each.level, each.role) for each in reading.entries] == [
        ("pam_2.so", 0, Role.MODULE),
        ("pam_3.so", 0, Role.MODULE),
        ("", 0, Role.SUBSTACK),
        ("pam_2.so", 1, Role.MODULE),
    ]
    assert [each.name for each in reading.others] == ["pam_4.so", "pam_1.so"]


def test_an_included_file_that_is_cut_fails_where_it_is_included() -> None:
    reading = read("demo", {"demo": "auth include a\n" + PERMIT, "a": "auth required \\\n"}.get)
    assert [each.role for each in reading.entries] == [Role.MUST_FAIL, Role.MODULE]
    assert not reading.aborted


def test_the_file_for_all_others() -> None:
    files = {"account-only": "account required pam_x.so\n", "other": "auth required pam_o.so\n"}
    for service in ("account-only", "no-such", "other"):
        assert [each.name for each in read(service, files.get).entries] == ["pam_o.so"]
    assert read("no-such", {}.get).entries == []


def test_a_file_that_includes_itself_ends() -> None:
    reading = read("loop", {"loop": PERMIT + "auth include loop\n"}.get)
    assert len(reading.entries) == 17
    assert reading.entries[-1].role is Role.MUST_FAIL
    assert [each.what for each in reading.problems] == ["includes 'loop' 16 files deep"]


def test_a_file_that_includes_itself_twice_ends() -> None:
    reading = read("loop", {"loop": "auth include loop\n" * 2}.get)
    assert reading.files == MAX_FILES
    assert f"includes 'loop', the {MAX_FILES}th file" in reading.problems[-1].what
    assert {each.role for each in reading.entries} == {Role.MUST_FAIL}
