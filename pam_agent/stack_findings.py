"""pure. The mistakes in a service's PAM stack, found by walking all ways through it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pam_agent import module_options
from pam_agent.check_finding import Finding, mistake, note
from pam_agent.service_policy import Display, Secret, ServicePolicy
from pam_agent.stack_codes import Action, Code
from pam_agent.stack_file import Entry, Fetch, Reading, Role, read
from pam_agent.stack_paths import OURS, ROOT_ONLY, Way, is_nearly_ours, ways

MOST: Final = 2
"""Lines with the module in one stack: what many could all return is too much to walk through."""
REQUIRED: Final = "auth required pam_bartizan.so"
UNAVAILABLE_GOES_ON: Final = (
    "auth [success=ok ignore=ignore authinfo_unavail=ignore default=die] pam_bartizan.so"
)
"""A line that lets the modules around it decide while the agent or all relays are down."""


@dataclass(frozen=True)
class Asked:
    """A service to be judged. `socket` is where the agent listens.

    `proved_before` says that the program itself has seen a first factor before it asks PAM.
    """

    service: str
    policy: ServicePolicy
    socket: str = module_options.DEFAULT_SOCKET
    proved_before: bool = False
    folder: str = "/etc/pam.d"


def is_used(service: str, fetch: Fetch) -> bool:
    """Whether the module stands anywhere in what libpam reads for a service, or was meant to: in a
    line that libpam cannot use, or does not come to."""
    reading = read(service, fetch)
    texts = (each.text for each in reading.problems)
    return any(is_nearly_ours(each.name) for each in (*reading.entries, *reading.others)) or any(
        is_nearly_ours(each) for each in (*texts, *reading.unreached)
    )


def goes_without(service: str, fetch: Fetch) -> bool:
    """Whether somebody who is not root gets in without the module."""
    reading = read(service, fetch)
    return not reading.aborted and any(
        way.granted and not way.passed.root and way.passed.ours is not Code.SUCCESS
        for way in ways(reading.entries)
    )


def judge(asked: Asked, fetch: Fetch) -> Iterator[Finding]:
    """All that is wrong with the stack of one service."""
    reading = read(asked.service, fetch)
    say = _Sayer(asked)
    yield from _unread(say, reading)
    yield from _misplaced(say, reading)
    ours = [each for each in reading.entries if each.name == OURS]
    for each in ours:
        yield from _arguments(say, asked, each)
    if len(ours) > MOST:
        wrong = f"the module stands {len(ours)} times in this stack; each asks for a sign-on."
        yield say.unusable(ours[MOST].file, ours[MOST].line, wrong)
    elif ours and not reading.aborted:
        yield from _of_ways(say, asked, ours[0], list(ways(reading.entries)))


class _Sayer:
    """Knows how a place is written."""

    def __init__(self, asked: Asked) -> None:
        self._asked: Final = asked

    def where(self, entry: Entry) -> str:
        return self.place(entry.file, entry.line)

    def place(self, file: str, line: int) -> str:
        folder = "" if file.startswith("/") else self._asked.folder + "/"
        return f"{folder}{file}:{line}"

    def mistake(self, word: str, entry: Entry, wrong: str, instead: str) -> Finding:
        return mistake(word, self._asked.service, self.where(entry), wrong, instead)

    def note(self, word: str, entry: Entry, wrong: str) -> Finding:
        return note(word, self._asked.service, self.where(entry), wrong)

    def unusable(self, file: str, line: int, wrong: str) -> Finding:
        instead = "Write the line as pam.conf(5) says, or remove it."
        return mistake("bad-line", self._asked.service, self.place(file, line), wrong, instead)


def _unread(say: _Sayer, reading: Reading) -> Iterator[Finding]:
    outcome = "gives up: nobody can sign on" if reading.aborted else "takes it for a failure"
    for each in reading.problems:
        ends = f"; libpam {outcome}" if each.fails or reading.aborted else ""
        yield say.unusable(each.file, each.line, f"{each.what}{ends}.")
    for entry in (*reading.entries, *reading.others):
        if is_nearly_ours(entry.name) and entry.name != OURS:
            yield say.unusable(
                entry.file,
                entry.line,
                f"libpam looks for a module of the name {entry.name!r}, and finds none.",
            )


def _misplaced(say: _Sayer, reading: Reading) -> Iterator[Finding]:
    for each in reading.others:
        if each.name == OURS:
            yield say.mistake(
                "wrong-type",
                each,
                f"{OURS} can only be of type auth; here it cannot be called, and libpam takes that"
                " as a failure.",
                "Remove the line, and have one of type auth.",
            )


def _arguments(say: _Sayer, asked: Asked, entry: Entry) -> Iterator[Finding]:
    longest = asked.policy.timers.sign_on
    wrong = module_options.judge(entry.arguments, asked.service, asked.socket, longest)
    for word, what, instead in wrong:
        yield say.mistake(word, entry, what, instead)


def _of_ways(say: _Sayer, asked: Asked, ours: Entry, all_ways: Sequence[Way]) -> Iterator[Finding]:
    granted = [way for way in all_ways if way.granted and not way.passed.root]
    signed_on = [way for way in granted if way.passed.ours is Code.SUCCESS]
    if not signed_on:
        yield say.mistake(
            "nobody",
            ours,
            "whatever happens, nobody who approves gets in by this stack.",
            "Look at what stands around the line: something fails always, or a jump leads past the"
            " end of the stack.",
        )
    yield from _ways_around(say, ours, granted)
    yield from _exceptions(say, asked, ours, granted)
    yield from _first_factor(say, asked, ours, all_ways, signed_on)
    if any(way.granted and way.passed.root and way.passed.ours is None for way in all_ways):
        yield say.note("root", ours, f"root is let in without the factor ({ROOT_ONLY}).")


def _ways_around(say: _Sayer, ours: Entry, granted: Sequence[Way]) -> Iterator[Finding]:
    """Somebody gets in, and our module has not said yes."""
    not_called = _first(granted, lambda way: way.passed.ours is None)
    if not_called is not None:
        culprit = _leading_past(not_called)
        yield say.mistake(
            "passed-by",
            culprit,
            f"`{_control(culprit)}` ends the stack, or jumps, before {OURS} is asked (line"
            f" {say.where(ours)}): {_told(not_called)} lets in without the factor.",
            f"Put `{REQUIRED}` before that line, or write `requisite` there.",
        )
    refused = _first(granted, lambda way: _is_refusal(way.passed.ours))
    if refused is not None:
        yield say.mistake(
            "optional",
            ours,
            f"`{_control(ours)}` makes the factor optional: after a denial or Ctrl-C the stack goes"
            f" on, and {_told(refused)} lets in without it.",
            f"Write `{REQUIRED}`, or, to let the rest of the stack decide while no relay can be"
            f" reached, `{UNAVAILABLE_GOES_ON}`.",
        )
    elif any(way.passed.ours is Code.AUTHINFO_UNAVAIL for way in granted):
        yield say.note(
            "unavailable-goes-on",
            ours,
            "while the agent is down or no relay can be reached, the rest of the stack lets in"
            " alone; who can cut this host off from its relays can bring that about.",
        )


def _exceptions(
    say: _Sayer, asked: Asked, ours: Entry, granted: Sequence[Way]
) -> Iterator[Finding]:
    """Users who need not sign on, if the policy knows such."""
    if asked.policy.for_everybody:
        return
    excepted = [way for way in granted if way.passed.ours is Code.IGNORE]
    if not excepted and ours.actions[Code.IGNORE] == Action.IGNORE:
        yield say.mistake(
            "exceptions-refused",
            ours,
            f"[services.{asked.service}] says who has to sign on, and for all others PAM is told to"
            " ignore the module; then nothing is left in the stack that lets them in.",
            "Put a module before it that does, such as `auth requisite pam_unix.so`; where sshd has"
            " asked for a key first, put `auth required pam_permit.so` behind it.",
        )
    elif not excepted:
        yield say.mistake(
            "exceptions-refused",
            ours,
            f"[services.{asked.service}] says who has to sign on, and for all others PAM is told to"
            f" ignore the module; `{_control(ours)}` refuses them.",
            f"Write `{REQUIRED}`, or add ignore=ignore.",
        )
    elif not asked.proved_before and any(not way.passed.first_factor for way in excepted):
        yield say.mistake(
            "exceptions-without-anything",
            ours,
            f"users whom [services.{asked.service}] does not ask get in without anything: no other"
            " module of the stack has to succeed that knows them.",
            "Put a module before it that does, such as `auth requisite pam_unix.so`, or remove"
            " users and groups.",
        )


def _first_factor(
    say: _Sayer, asked: Asked, ours: Entry, all_ways: Sequence[Way], signed_on: Sequence[Way]
) -> Iterator[Finding]:
    """What the policy says of a first factor, and what the stack does about it."""
    policy = asked.policy
    behind = policy.display is Display.SILENT and policy.secret is Secret.TAIL
    unchecked = any(not way.passed.first_factor for way in signed_on)
    if behind and unchecked:
        yield say.mistake(
            "first-factor-unchecked",
            ours,
            f'secret = "tail" in [services.{asked.service}] hands the first factor on, and no'
            " module of the stack has to find it right.",
            "Put `auth required pam_unix.so try_first_pass` behind the line, or write"
            ' secret = "whole".',
        )
    elif policy.first_factor and not behind and not asked.proved_before:
        without = _first(all_ways, lambda way: way.passed.asked_without)
        if without is not None:
            yield say.mistake(
                "first-factor-not-guaranteed",
                ours,
                f'first_factor = "{policy.first_factor}" in [services.{asked.service}], but'
                f" {_told(without, until=ours)} comes to {OURS} without one.",
                "Put a module that checks it before the line, with `requisite`; or remove"
                " first_factor.",
            )


def _is_refusal(code: Code | None) -> bool:
    return code not in (None, Code.SUCCESS, Code.IGNORE, Code.AUTHINFO_UNAVAIL)


def _first(all_ways: Sequence[Way], wanted: Callable[[Way], bool]) -> Way | None:
    return next((way for way in all_ways if wanted(way)), None)


def _leading_past(way: Way) -> Entry:
    """The step that led past our module: the last that ended a level, or jumped."""
    led = [
        entry
        for entry, code in way.steps
        if entry.actions[code] > 0 or entry.actions[code] == Action.DONE
    ]
    return led[-1]


def _told(way: Way, until: Entry | None = None) -> str:
    """`pam_unix.so (success), pam_permit.so (success)`: the steps that were taken."""
    steps = []
    for entry, code in way.steps:
        if entry is until:
            break
        if entry.role is Role.MODULE:
            steps.append(f"{entry.name} ({code.name.lower()})")
    return ", ".join(steps) or "who calls it"


def _control(entry: Entry) -> str:
    return f"{entry.control} {entry.name}"
