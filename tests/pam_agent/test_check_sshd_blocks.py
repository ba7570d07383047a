"""What is said of Match blocks, by what sshd answers."""

from collections.abc import Iterator, Mapping

import pytest

from pam_agent import check_sshd_blocks
from pam_agent.check_finding import Finding, Weight, mistake, note
from pam_agent.check_sshd_blocks import MAX_QUESTIONS, judge
from pam_agent.sshd_config import MAIN, NotAskedError, Question, read

MEANT = ("match user=a",)


def found(text: str, known: tuple[Finding, ...] = (), meant: tuple[str, ...] = ()) -> list[Finding]:
    """Each block says its own criteria, and a mistake is what a whole answer holds."""
    tree = read({MAIN: text}.get, lambda _: [])
    assert tree is not None

    def ask(question: Question) -> Mapping[str, str]:
        if any("?" in each.criteria for each in question.on):
            refused = any("??" in each.criteria for each in question.on)
            raise NotAskedError("line 1: bad", refused=refused)
        return {each.criteria: each.place for each in sorted(question.on, key=str)}

    return list(judge(tree, ask, judged, known, meant))


def judged(settings: Mapping[str, str]) -> Iterator[Finding]:
    """`User a` is wrong; `Group g` is noted; only together are x and y wrong."""
    if "User a" in settings:
        yield mistake("wrong", "sshd", MAIN, "A is wrong.", "Mend it.")
    if "Group g" in settings:
        yield note("known", "sshd", "/etc/pam.d/sshd:1", "G is so.")
    if {"Group x", "Host y"} <= settings.keys():
        yield mistake("together", "sshd", "/etc/pam.d/sshd:1", "Both are wrong.", "Mend it.")


def test_a_mistake_is_where_the_block_is() -> None:
    (finding,) = found("\nMatch User a\nMatch User b\n")
    assert finding == mistake(
        "wrong",
        "sshd",
        f"{MAIN}:2",
        "where `Match User a` applies: A is wrong.",
        "Mend it. Or, if it is meant, check with --meant 'Match User a'.",
    )


def test_what_is_known_for_all_is_not_said_again() -> None:
    known = mistake("wrong", "sshd", MAIN, "A is wrong.", "Mend it.")
    assert found("Match User a\n", (known,)) == []


def test_of_two_only_what_neither_says() -> None:
    assert [each.word for each in found("Match User a\nMatch Group x\nMatch Host y\n")] == [
        "wrong",
        "together",
    ]
    (finding,) = found("Match Group x\nMatch Host y\n")
    assert (finding.where, finding.wrong) == (
        f"{MAIN}:2",
        f"where `Match Group x` ({MAIN}:1) and `Match Host y` both apply: Both are wrong."
        " (at /etc/pam.d/sshd:1)",
    )


def test_what_is_meant_is_a_note() -> None:
    (finding,) = found("Match  User a\n", meant=MEANT)
    assert (finding.weight, finding.word, finding.instead) == (Weight.NOTE, "wrong", "")
    assert finding.wrong == "it is meant, where `Match User a` applies: A is wrong."
    assert [each.weight for each in found("Match User a Host z\nMatch User a\n", meant=MEANT)] == [
        Weight.NOTE
    ]


def test_of_two_one_that_is_meant_will_do() -> None:
    (finding,) = found("Match Group x\nMatch Host y\n", meant=("Match Host y",))
    assert (finding.weight, finding.word) == (Weight.NOTE, "together")


def test_notes_stay_notes() -> None:
    (finding,) = found("Match Group g\n")
    assert (finding.weight, finding.where, finding.instead) == (Weight.NOTE, f"{MAIN}:1", "")


def test_what_sshd_does_not_answer_is_unchecked_even_where_it_is_meant() -> None:
    (finding,) = found("Match User ?\n", meant=("Match User ?",))
    assert (finding.weight, finding.word, finding.where) == (
        Weight.UNCHECKED,
        "ssh-not-asked",
        f"{MAIN}:1",
    )
    assert "line 1: bad" in finding.wrong


def test_what_sshd_does_not_take_is_a_mistake() -> None:
    (finding,) = found("Match User ??\n")
    assert (finding.weight, finding.word, finding.where) == (
        Weight.MISTAKE,
        "ssh-refused",
        f"{MAIN}:1",
    )
    assert "line 1: bad" in finding.wrong


def test_a_block_that_never_applies_is_noted() -> None:
    (finding,) = found("Match User a Host !h\n")
    assert (finding.weight, finding.word, finding.where) == (Weight.NOTE, "ssh-match", f"{MAIN}:1")


def test_so_many_blocks_are_not_all_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_sshd_blocks, "MAX_QUESTIONS", 2)
    assert found("Match User u\nMatch User v\n") == []
    (finding,) = found("Match User u\nMatch Group v\n")
    assert (finding.weight, finding.word) == (Weight.NOTE, "ssh-match")
    assert MAX_QUESTIONS == 400


def test_a_block_that_is_included_twice_is_told_once() -> None:
    tree = read(
        {MAIN: "Include p\nInclude p\nMatch Host y\n", "/etc/ssh/p": "Match Group x\n"}.get,
        lambda path: [path],
    )
    assert tree is not None
    of = judge(tree, lambda question: {each.criteria: "" for each in question.on}, judged, (), ())
    assert [each.where for each in of] == [f"{MAIN}:3"]
