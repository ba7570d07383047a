"""pure. The mistakes in sshd's Match blocks: each block is judged as the whole configuration is."""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Final

from msgspec.structs import replace

from pam_agent.check_finding import Finding, Weight, mistake, note, unchecked
from pam_agent.check_sshd import SERVICE, WHERE
from pam_agent.sshd_config import NotAskedError, Question, Tree

MAX_QUESTIONS: Final = 400
"""Enough for 27 blocks alone and each with each other; sshd takes some seconds for so many."""

Ask = Callable[[Question], Mapping[str, str]]
"""What applies there, by its keywords. NotAskedError."""
Judge = Callable[[Mapping[str, str]], Iterator[Finding]]


def judge(
    tree: Tree, ask: Ask, judged: Judge, known: Collection[Finding], meant: Collection[str]
) -> Iterator[Finding]:
    """What `judged` finds where a block applies, or two, and what is not among `known`, the
    findings for all. Those of blocks that are `meant`, `Match ...` each, are notes."""
    meant = {_plain(each) for each in meant}
    found: dict[tuple[str, str], set[str]] = {}
    said: set[Finding] = set()
    for block in dict.fromkeys(each for each in tree.blocks if each.never):
        yield note(
            "ssh-match",
            SERVICE,
            block.place,
            f"`{block}` applies to nobody: it says only whom it is not for. `*,` before that names"
            " all others.",
        )
    questions = tree.questions()
    for question in islice(questions, MAX_QUESTIONS):
        seen = {_key(each) for each in known}.union(
            *(found.get((each.place, str(each)), ()) for each in question.blocks)
        )
        for each in _answer(question, ask, judged):
            if len(question.blocks) == 1:
                block = question.blocks[0]
                found.setdefault((block.place, str(block)), set()).add(_key(each))
            one = _placed(question, each, meant)
            if _key(each) not in seen and one not in said:
                said.add(one)
                yield one
    if next(questions, None) is not None:
        yield note(
            "ssh-match",
            SERVICE,
            WHERE,
            f"there are so many Match blocks that not all were looked at, alone and two together:"
            f" sshd was asked {MAX_QUESTIONS} times.",
        )


def not_asked(error: NotAskedError, where: str) -> Finding:
    """Of a configuration for which sshd gives no answer."""
    if error.refused:
        return mistake(
            "ssh-refused",
            SERVICE,
            where,
            f"sshd does not take this configuration, and so lets nobody in: {error}.",
            "Correct it until `sshd -t` says nothing.",
        )
    return unchecked(
        "ssh-not-asked",
        SERVICE,
        where,
        f"sshd's settings could not be had: {error}.",
        "Run this as root, and `sshd -t` to see what sshd does not like.",
    )


def _answer(question: Question, ask: Ask, judged: Judge) -> Iterator[Finding]:
    try:
        settings = ask(question)
    except NotAskedError as error:
        yield not_asked(error, question.blocks[-1].place)
        return
    yield from judged(settings)


def _placed(question: Question, finding: Finding, meant: Collection[str]) -> Finding:
    """A finding for all, as one of these blocks."""
    block = question.blocks[-1]
    if finding.weight is Weight.UNCHECKED:
        return finding
    elsewhere = "" if finding.where == WHERE else f" (at {finding.where})"
    wrong = f"{question}: {finding.wrong}{elsewhere}"
    if finding.weight is Weight.NOTE:
        return replace(finding, where=block.place, wrong=wrong)
    if any(_plain(str(each)) in meant for each in question.blocks):
        return note(finding.word, SERVICE, block.place, f"it is meant, {wrong}")
    instead = f"{finding.instead} Or, if it is meant, check with --meant '{block}'."
    return replace(finding, where=block.place, wrong=wrong, instead=instead)


def _key(finding: Finding) -> str:
    """What is the same for two findings of one mistake."""
    return f"{finding.word} {finding.wrong}"


def _plain(match: str) -> str:
    return " ".join(match.replace("=", " ").split()).lower()
