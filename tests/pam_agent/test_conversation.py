from pam_agent.conversation import (
    ending_text,
    prompt_text,
    request_text,
)
from pam_agent.outcomes import SignOnEnd
from protocol import sign_on_id

ID = bytes.fromhex("0011223344556677")
SHORT = sign_on_id.display(ID)
PAM_MAX_MSG_SIZE = 512


def test_request_text() -> None:
    assert request_text("web1", "49217734", ID, 60.0) == (
        f"Bartizan sign-on {SHORT} at web1\nOn your device: host web1, passcode 4921 7734 (60 s)"
    )


def test_prompt_text_ends_with_what_to_do() -> None:
    text = prompt_text("web1", "49217734", ID, 60.0)
    assert text == (
        request_text("web1", "49217734", ID, 60.0) + "\napprove there, then press Enter: "
    )


def test_texts_are_plain_and_short_whatever_the_host_is_called() -> None:
    for host in ("\x1b[31mred\x1b[0m", "a\nb", "\u202eweb1", "h" * 500, "ü" * 300, "\ud800"):
        text = prompt_text(host, "49217734", ID, 60.0)
        assert len(text.encode()) <= PAM_MAX_MSG_SIZE
        assert text.count("\n") == 2
        assert all(c == "\n" or c.isprintable() for c in text)
        assert "4921 7734" in text


def test_every_end_has_its_text() -> None:
    silent = {SignOnEnd.APPROVED, SignOnEnd.CANCELLED, SignOnEnd.CONVERSATION_FAILED}
    for end in SignOnEnd:
        text = ending_text(end, ID)
        assert (text == "") is (end in silent)
        assert "\n" not in text
        assert not text or (text.startswith("Bartizan: ") and SHORT in text)


def test_a_stranger_cannot_tell_why_nobody_approved() -> None:
    assert ending_text(SignOnEnd.EXPIRED, ID) == ending_text(SignOnEnd.UNDECIDED, ID)
    other = {SignOnEnd.OVERTAKEN, SignOnEnd.DISABLED, SignOnEnd.REVOKED}
    assert len({ending_text(end, ID) for end in other}) == 1
    assert ending_text(SignOnEnd.DENIED, ID) == ending_text(SignOnEnd.REPORTED, ID)
