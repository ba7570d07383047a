from pam_agent.conversation import (
    MAX_QR_LINES,
    app_text,
    ending_text,
    joined_text,
    prompt_text,
    qr_texts,
    request_text,
    respond_text,
)
from pam_agent.outcomes import LETS_IN, SignOnEnd
from protocol import sign_on_id

ID = bytes.fromhex("0011223344556677")
SHORT = sign_on_id.display(ID)
PAM_MAX_MSG_SIZE = 512


def test_request_text() -> None:
    assert request_text("web1", "49217734", ID, 60.0) == (
        f"Bartizan sign-on {SHORT} at web1\nOn your device: host web1, passcode 4921 7734 (60 s)"
    )


def test_prompts_say_what_to_do() -> None:
    assert prompt_text(codes=False) == "approve there, then press Enter: "
    assert prompt_text(codes=True) == "approve there, then press Enter; or type its code: "


def test_texts_are_plain_and_short_whatever_the_host_is_called() -> None:
    for host in ("\x1b[31mred\x1b[0m", "a\nb", "\u202eweb1", "h" * 500, "\xfc" * 300, "\ud800"):
        texts = [
            (request_text(host, "49217734", ID, 60.0), 1),
            (respond_text(host, "49217734", ID, 60.0, tried=True), 1),
            (app_text(host, ID, tried=True), 1),
            (app_text(host, ID, tried=False), 0),
            (joined_text(host, ID, ID), 1),
        ]
        for text, lines in texts:
            assert len(text.encode()) + len(prompt_text(codes=True)) <= PAM_MAX_MSG_SIZE
            assert text.count("\n") == lines
            assert all(c == "\n" or c.isprintable() for c in text)


def test_a_qr_code_is_as_high_as_a_terminal_has_room_for() -> None:
    assert len(qr_texts("web1", "49217734")) == 15
    assert 15 < len(qr_texts("w" * 64, "49217734")) <= MAX_QR_LINES
    assert qr_texts("\xfc" * 64, "49217734") == ()


def test_every_end_has_its_text() -> None:
    silent = {
        *LETS_IN,
        SignOnEnd.NOT_REQUIRED,
        SignOnEnd.CANCELLED,
        SignOnEnd.CONVERSATION_FAILED,
    }
    for end in SignOnEnd:
        text = ending_text(end, ID)
        assert (text == "") is (end in silent)
        assert "\n" not in text
        assert not text or (text.startswith("Bartizan: ") and SHORT in text)


def test_a_stranger_cannot_tell_why_nobody_approved() -> None:
    assert ending_text(SignOnEnd.EXPIRED, ID) == ending_text(SignOnEnd.UNDECIDED, ID)
    other = {SignOnEnd.OVERTAKEN, SignOnEnd.DISABLED, SignOnEnd.REVOKED}
    assert len({ending_text(end, ID) for end in other}) == 1
    wrong = {SignOnEnd.WRONG_CODE, SignOnEnd.REPLAYED, SignOnEnd.THROTTLED}
    assert len({ending_text(end, ID) for end in wrong}) == 1
    assert ending_text(SignOnEnd.DENIED, ID) == ending_text(SignOnEnd.REPORTED, ID)
