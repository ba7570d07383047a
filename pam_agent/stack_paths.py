"""pure. All the ways through a stack: whatever its modules return, how can it end, and how so?

A way is told apart from another by what matters of it only, so there are few enough to walk all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pam_agent.stack_codes import MUST_FAIL, Code
from pam_agent.stack_file import Entry, Role
from pam_agent.stack_run import START, State, step

OURS: Final = "pam_bartizan.so"

FIRST_FACTORS: Final = frozenset(
    {
        "pam_unix.so",
        "pam_sss.so",
        "pam_ldap.so",
        "pam_krb5.so",
        "pam_winbind.so",
        "pam_radius.so",
        "pam_radius_auth.so",
        "pam_tacplus.so",
        "pam_pgsql.so",
        "pam_mysql.so",
        "pam_userdb.so",
        "pam_pwdfile.so",
        "pam_systemd_home.so",
        "pam_pkcs11.so",
        "pam_p11.so",
        "pam_u2f.so",
        "pam_fprintd.so",
        "pam_google_authenticator.so",
        "pam_oath.so",
        "pam_yubico.so",
        "pam_ssh_agent_auth.so",
    }
)
"""Modules whose success says that the user has shown something of his own. One that is not here is
taken for one that says nothing."""

ROOT_ONLY: Final = "pam_rootok.so"
"""Its success says that the caller is root, who needs nobody's leave."""

_ALWAYS: Final = {"pam_permit.so": (Code.SUCCESS,), "pam_deny.so": (Code.AUTH_ERR,)}
_IGNORING: Final = ("ignore", "minimum_uid")
"""What the arguments begin with by which a first factor's module returns PAM_IGNORE for some; of
itself none does."""
_CODES: Final = tuple(code for code in Code if code is not Code.INCOMPLETE)
_SPEAKING: Final = (Code.SUCCESS, Code.AUTH_ERR, Code.IGNORE, Code.AUTHINFO_UNAVAIL, Code.CONV_ERR)
"""Codes that people have seen come first: of many with the same effect, one is told."""


@dataclass(frozen=True)
class Passed:
    """What matters of the way so far. `ours` is what our module returned, None if not called."""

    ours: Code | None = None
    first_factor: bool = False
    """Whether a module of FIRST_FACTORS succeeded."""
    root: bool = False
    """Whether the caller was found to be root."""
    asked_without: bool = False
    """Whether our module was called before any first factor had succeeded."""


@dataclass(frozen=True)
class Way:
    """One way through a stack: its steps, as entries and what their modules returned."""

    passed: Passed
    result: Code
    steps: tuple[tuple[Entry, Code], ...]

    @property
    def granted(self) -> bool:
        return self.result is Code.SUCCESS


def ways(stack: Sequence[Entry]) -> Iterator[Way]:
    """A way for each (what was passed, result) that there is, each as short as any such way."""
    seen = {(START, Passed())}
    found: set[tuple[Passed, Code]] = set()
    todo: list[tuple[State, Passed, tuple[tuple[Entry, Code], ...]]] = [(START, Passed(), ())]
    for state, passed, steps in todo:
        if state.at == len(stack):
            if (passed, state.result) not in found:
                found.add((passed, state.result))
                yield Way(passed, state.result, steps)
            continue
        entry = stack[state.at]
        for code in _codes(entry):
            after = step(stack, state, code), _after(passed, entry, code)
            if after not in seen:
                seen.add(after)
                todo.append((*after, (*steps, (entry, code))))


def is_loadable(entry: Entry) -> bool:
    """Whether libpam can find a module of that name. Of nearly ours, and of one with a carriage
    return or the like in its name, there is no file."""
    name = entry.name
    return name == OURS or (name.isascii() and name.isprintable() and not is_nearly_ours(name))


def is_nearly_ours(text: str) -> bool:
    """Whether our module's name stands there, or what was to be that."""
    return OURS.removesuffix(".so") in text.lower()


def _codes(entry: Entry) -> Iterator[Code]:
    """What a module can return: all there is, but for those that always return the same.

    Of our own module every code is tried; of others, one for each thing that the control does.
    """
    if entry.role is not Role.MODULE:
        yield MUST_FAIL
        return
    if not is_loadable(entry):
        yield Code.MODULE_UNKNOWN
        return
    codes = _ALWAYS.get(entry.name, (*_SPEAKING, *_CODES))
    effects = set()
    for code in codes:
        if code is Code.IGNORE and not _may_ignore(entry):
            continue
        effect = (entry.actions[code], code is Code.SUCCESS, code if entry.name == OURS else None)
        if effect not in effects:
            effects.add(effect)
            yield code


def _may_ignore(entry: Entry) -> bool:
    return entry.name not in FIRST_FACTORS or any(
        each.startswith(_IGNORING) for each in entry.arguments
    )


def _after(passed: Passed, entry: Entry, code: Code) -> Passed:
    good = code in (Code.SUCCESS, Code.NEW_AUTHTOK_REQD)
    if entry.role is not Role.MODULE:
        return passed
    if entry.name == OURS:
        ours = Code.SUCCESS if Code.SUCCESS in (passed.ours, code) else code
        without = passed.asked_without or not (passed.first_factor or passed.root)
        return replace(passed, ours=ours, asked_without=without)
    if entry.name == ROOT_ONLY:
        return replace(passed, root=passed.root or good)
    if entry.name in FIRST_FACTORS:
        return replace(passed, first_factor=passed.first_factor or good)
    return passed
