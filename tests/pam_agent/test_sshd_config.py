"""sshd_config with what it includes, and its Match blocks; tests/pam_agent/test_sshd_asked.py holds
it to sshd."""

import fnmatch

import pytest

from pam_agent.sshd_config import MAIN, MAX_DEPTH, MAX_FILES, OFF, ON, Block, Tree, read

PART = "/etc/ssh/sshd_config.d/a.conf"


def tree(text: str, **parts: str) -> Tree:
    files = {MAIN: text} | {
        f"/etc/ssh/sshd_config.d/{name}.conf": each for name, each in parts.items()
    }

    def matching(pattern: str) -> list[str]:
        return sorted(fnmatch.filter(files, pattern))

    found = read(files.get, matching)
    assert found is not None
    return found


def written(of: Tree, *on: Block) -> list[str]:
    return of.written(lambda number: f"/t/{number}", frozenset(on))


@pytest.mark.parametrize(
    ("line", "criteria"),
    [
        ("Match User git", "User git"),
        ("\t match=User=git # who", "User git"),
        ('"Match" User "git",x', "User git ,x"),
        ("Match  Group 'a b'  Address *", "Group a b Address *"),
    ],
)
def test_a_block(line: str, criteria: str) -> None:
    (block,) = tree(f"UsePAM yes\n\n{line}\n Banner no\n").blocks
    assert (block.place, str(block)) == (f"{MAIN}:3", f"Match {criteria}")


@pytest.mark.parametrize("line", ["Matches no", "#Match User git", "", "?", "Banner Match"])
def test_no_block(line: str) -> None:
    assert tree(line).blocks == []


def test_it_is_written_with_blocks_on_and_off() -> None:
    of = tree("Port 1\nMatch User a\n Port 2\nMatch User b\n Port 3")
    a, b = of.blocks
    assert written(of, b) == [f"Port 1\n{OFF}\n Port 2\n{ON}\n Port 3\n"]
    assert written(of, a, b) == [f"Port 1\n{ON}\n Port 2\n{ON}\n Port 3\n"]
    assert of.written(str, None) == ["Port 1\nMatch User a\n Port 2\nMatch User b\n Port 3\n"]


def test_files_are_included_in_their_place() -> None:
    of = tree(
        'Include "/etc/ssh/sshd_config.d/*.conf" # all\nInclude none.conf\n', a="A 1", b="B 2"
    )
    assert of.paths == [MAIN, PART, PART.replace("a.conf", "b.conf")]
    assert written(of) == ['Include "/t/1" "/t/2"\n#\n\n', "A 1\n", "B 2\n"]


def test_an_included_block_ends_with_its_file_and_counts_within_another() -> None:
    of = tree(
        "Match User a\nInclude sshd_config.d/a.conf\nMatch User b\n", a="Match Group g\n X y\n"
    )
    a, g, b = of.blocks
    assert (a.within, g.within, b.within) == ((), (a,), ())
    assert g.place == f"{PART}:1"
    assert [each.on for each in of.questions()] == [{a}, {a, g}, {b}]


def test_a_file_that_is_included_twice_has_blocks_of_its_own() -> None:
    of = tree(
        "Match User a\nInclude sshd_config.d/*\nMatch User b\nInclude sshd_config.d/*\n", a=ON
    )
    assert len(of.blocks) == len(set(of.blocks)) == 4


def test_what_cannot_be_read_is_told() -> None:
    assert read({}.get, lambda _: []) is None
    of = read({MAIN: "Include x"}.get, lambda _: ["/etc/ssh/x"])
    assert of is not None
    assert (of.unread, written(of)) == (["/etc/ssh/x"], ["#\n"])


def test_a_file_that_includes_itself_ends() -> None:
    of = tree("Include sshd_config\n")
    assert len(of.files) == MAX_DEPTH
    twice = tree("Include sshd_config sshd_config\n")
    assert len(twice.files) == MAX_FILES
    assert twice.unread


@pytest.mark.parametrize("criteria", ["all", "ALL", "User *", "User * Host *"])
def test_what_applies_to_all_is_on_with_every_other(criteria: str) -> None:
    of = tree(f"Match User git\nMatch {criteria}\n")
    git, all_ = of.blocks
    assert all_.always
    assert frozenset({git, all_}) in [each.on for each in of.questions()]
    assert frozenset({git}) not in [each.on for each in of.questions()]


def test_what_applies_to_all_within_a_block_does_not_apply_without() -> None:
    of = tree("Match User a\nInclude sshd_config.d/*\nMatch User b\n", a="Match User *\n")
    a, inner, b = of.blocks
    assert [each.on for each in of.questions()] == [{a}, {a, inner}, {b}]


@pytest.mark.parametrize(
    ("criteria", "never"),
    [
        ("User !root", True),
        ("User git Address !10.0.0.0/8,!::1", True),
        ("User *,!root", False),
        ("all", False),
    ],
)
def test_what_only_says_what_it_is_not_is_never_on(criteria: str, never: bool) -> None:
    of = tree(f"Match {criteria}\nInclude sshd_config.d/*\nMatch User git\n", a="Match Host h\n")
    assert [each.never for each in of.blocks] == [never, never, False]
    asked = {each for question in of.questions() for each in question.on}
    assert (of.blocks[0] in asked) is not never


def test_sshd_itself_knows_match_all() -> None:
    assert list(tree("Match all\n").questions()) == []
    assert not Block(MAIN, 1, "User *,!git").always


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("User a", "User b", False),
        ("User a,b", "User b,c", True),
        ("User a", "User a*", True),
        ("User a", "User !a,*", True),
        ("User a", "Group b", True),
        ("Group a", "Group b", True),
        ("User a Group x", "Group y User b", False),
        ("LocalPort 22", "LocalPort 2222", False),
        ("Address 10.0.0.0/8", "Address 192.168.0.0/16", False),
        ("Address 10.0.0.0/8", "Address 10.1.0.0/16", True),
        ("Address 10.0.0.0/8,::1", "Address ::/0", True),
        ("LocalAddress 10.0.0.1", "LocalAddress 10.0.0.2", False),
        ("Address 10.0.0.0/8", "Address nonsense", True),
        ("invalid-user", "User a", True),
    ],
)
def test_which_two_one_connection_meets(one: str, other: str, together: bool) -> None:
    of = tree(f"Match {one}\nMatch {other}\n")
    assert [len(each.blocks) for each in of.questions()] == ([1, 1, 2] if together else [1, 1])


def test_a_question_in_words() -> None:
    *_, both = tree("Match User a\nMatch Group b\n").questions()
    assert str(both) == f"where `Match User a` ({MAIN}:1) and `Match Group b` both apply"
    assert str(next(tree("Match User a\n").questions())) == "where `Match User a` applies"
