import itertools

import pytest

from pam_agent.methods import Method
from pam_agent.request_screen import (
    Screen,
    is_judged,
    joined_screen,
    offered_codes,
    screen,
    taken_codes,
)
from pam_agent.service_policy import Display, ServicePolicy
from protocol import sign_on_id
from tests.support.services import service

ID = bytes.fromhex("0011223344556677")
FIRST = bytes.fromhex("8899aabbccddeeff")
TITLE = f"Bartizan sign-on {sign_on_id.display(ID)} at web1"
BOTH = frozenset({Method.APPROVE, Method.CODE})


def shown(policy: ServicePolicy, *, queued: bool = True, offered: str = "") -> Screen:
    codes = frozenset(Method(each) for each in offered.split())
    return screen(policy, "web1", "49217734", ID, queued=queued, offered=codes)


# ---- who may type what ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trusted", "first_factor", "offered"),
    [
        (True, True, "code totp"),
        (True, False, "totp"),
        (False, True, ""),
        (False, False, ""),
    ],
)
def test_a_response_needs_a_first_factor(trusted: bool, first_factor: bool, offered: str) -> None:
    policy = service("sshd", methods=[Method.APPROVE, Method.CODE, Method.TOTP])
    found = offered_codes(policy, trusted=trusted, first_factor=first_factor)
    assert found == {Method(each) for each in offered.split()}


def test_only_what_the_service_allows_is_offered() -> None:
    policy = service("sshd", methods=[Method.APPROVE])
    assert offered_codes(policy, trusted=True, first_factor=True) == frozenset()


def test_an_accounts_own_methods_narrow_and_may_add_totp_only() -> None:
    code, totp = {Method.CODE}, {Method.TOTP}
    offered = frozenset(code)
    assert taken_codes(offered, BOTH) == code
    assert taken_codes(offered, frozenset({Method.APPROVE})) == frozenset()
    assert taken_codes(offered, frozenset({Method.TOTP})) == totp
    assert taken_codes(frozenset(), BOTH | totp) == totp


@pytest.mark.parametrize(
    ("typed", "offered", "trusted", "judged"),
    [
        ("", "code", True, False),
        ("yes", "code", True, True),
        ("yes", "", True, False),
        ("123 456", "", True, True),
        ("123456", "", False, False),
        ("12345678", "code", False, False),
        ("12345678", "", True, False),
    ],
)
def test_what_is_taken_for_a_code(typed: str, offered: str, trusted: bool, judged: bool) -> None:
    codes = frozenset(Method(each) for each in offered.split())
    assert is_judged(typed, codes, trusted=trusted) is judged


# ---- screens -------------------------------------------------------------------------------------


def test_approval_by_prompt() -> None:
    assert shown(service("sshd")) == Screen(
        (),
        f"{TITLE}\nOn your device: host web1, passcode 4921 7734 (20 s)\n"
        "approve there, then press Enter: ",
    )


def test_approval_or_a_code() -> None:
    found = shown(service("sshd"), offered="code").prompt
    assert found is not None
    assert found.endswith("\napprove there, then press Enter; or type its code: ")


def test_approval_as_text() -> None:
    found = shown(service("sudo"), offered="code")
    assert found == Screen(
        (f"{TITLE}\nOn your device: host web1, passcode 4921 7734 (20 s)",), None
    )


@pytest.mark.parametrize("name", ["sshd", "sudo"])
def test_only_a_code_where_no_relay_can_be_reached(name: str) -> None:
    assert shown(service(name), queued=False, offered="code") == Screen(
        (),
        f"{TITLE}\nNo relay can be reached. On your device: respond to host web1, passcode 4921"
        " 7734 (20 s)\ntype its code: ",
    )


def test_only_a_code_because_nothing_else_is_wanted() -> None:
    found = shown(service("sshd", methods=[Method.CODE]), queued=False, offered="code")
    assert found.prompt is not None
    assert "No relay" not in found.prompt


@pytest.mark.parametrize("approve", [True, False])
def test_only_an_authenticator_app(approve: bool) -> None:
    methods = [Method.TOTP, *([Method.APPROVE] if approve else [])]
    found = shown(service("sudo", methods=methods, qr=approve), queued=False, offered="totp")
    why = "\nNo relay can be reached." if approve else ""
    assert found == Screen((), f"{TITLE}{why}\ntype the code of your authenticator app: ")


def test_a_qr_code_stands_below_the_text_and_above_the_prompt() -> None:
    found = shown(service("sshd", qr=True))
    assert found.prompt == "approve there, then press Enter: "
    assert found.texts[0].endswith("passcode 4921 7734 (20 s)")
    assert len(found.texts) == 1 + 15
    assert {len(each) for each in found.texts[1:]} == {29}
    assert set("".join(found.texts[1:])) <= set("\u2580\u2584\u2588 \xa0")
    assert shown(service("sudo", qr=True)).texts[1:] == found.texts[1:]
    assert shown(service("sudo", qr=True)).prompt is None


def test_a_name_that_is_too_long_for_a_qr_code_has_none() -> None:
    policy = service("sshd", qr=True)
    found = screen(policy, "\xfc" * 64, "49217734", ID, queued=True, offered=frozenset())
    assert found.texts == ()
    assert found.prompt is not None
    assert "4921 7734" in found.prompt


def test_who_waits_with_another() -> None:
    text = f"{TITLE}\nwaits with {sign_on_id.display(FIRST)}, which is shown already"
    assert joined_screen(service("sudo"), "web1", ID, FIRST) == Screen((text,), None)
    assert joined_screen(service("sshd"), "web1", ID, FIRST) == Screen(
        (), f"{text}\napprove that on your device, then press Enter: "
    )


PAM_MAX_MSG_SIZE = 512
EVERY = list(
    itertools.product(
        (Display.PROMPT, Display.INFO), (True, False), (True, False), ("code", "totp", "code totp")
    )
)


@pytest.mark.parametrize(("display", "qr", "queued", "offered"), EVERY)
@pytest.mark.parametrize("host", ["web1", "\x1b[31mred\x1b[0m", "a\nb", "\u202eweb1", "h" * 128])
def test_texts_are_plain_and_short(
    display: Display, qr: bool, queued: bool, offered: str, host: str
) -> None:
    policy = service("odd", display=display, qr=qr, methods=[*list(Method)[:2], Method.TOTP])
    codes = frozenset(Method(each) for each in offered.split())
    found = screen(policy, host, "49217734", ID, queued=queued, offered=codes)
    for text in (*found.texts, *([found.prompt] if found.prompt else [])):
        assert len(text.encode()) <= PAM_MAX_MSG_SIZE
        assert all(c == "\n" or c.isprintable() or c == "\xa0" for c in text)
