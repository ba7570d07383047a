"""Vectors of the plaintexts inside M-AUTH and enrolment."""

from dataclasses import replace
from typing import Any

from protocol.enrolment import EnrolAnswer
from protocol.keys import Mode
from protocol.limits import (
    CONFIRM_LENGTH,
    CONTEXT_LENGTH,
    DECISION_LENGTH,
    ENROL_ANSWER_LENGTH,
    ENROL_REQUEST_LENGTH,
    RECEIPT_LENGTH,
)
from protocol.signon_messages import (
    Confirm,
    Context,
    Decision,
    H1Payload,
    Receipt,
    Role,
    SignOnOutcome,
    UserVerification,
    Verdict,
    pad,
)
from tests.vectors.fixed import PASSCODE, R_A, R_V, SIGN_ON_ID, Json, fields_of, value

CONTEXT = Context(
    SIGN_ON_ID,
    R_A,
    user="anna",
    host="bastion.example.net",
    service="sshd",
    remote_address="192.0.2.7",
    remote_name="laptop.example.net",
    tty="/dev/pts/3",
    agent_time=1_800_000_000,
    first_factor="publickey",
    seconds_left=45,
    mode=Mode.PASSCODE,
    role=Role.OWNER,
    note="naïve — sudo -i",
    last_success=1_799_000_000,
    failures=2,
)


def plaintexts() -> Json:
    bare = Context(SIGN_ON_ID, R_A, "anna", "bastion", "sshd")
    sent: list[Any] = [
        H1Payload(0),
        H1Payload(2**32 - 1, app_version=513),
        CONTEXT,
        replace(CONTEXT, alert="break-glass for anna — 22 Nov 14:05 to 16:05 UTC: lost phone"),
        *(Context(SIGN_ON_ID, R_A, "anna", "bastion", "sshd", mode=mode) for mode in Mode),
        *(Context(SIGN_ON_ID, R_A, "anna", "bastion", "sshd", role=role) for role in Role),
        *(Decision(SIGN_ON_ID, verdict, value("hash"), R_V) for verdict in Verdict),
        *(
            Decision(SIGN_ON_ID, Verdict.APPROVE, value("hash"), R_V, how, PASSCODE, "because")
            for how in UserVerification
        ),
        *(Receipt(SIGN_ON_ID, outcome, 8, "a text") for outcome in SignOnOutcome),
        Confirm(SIGN_ON_ID),
        EnrolAnswer("bastion", "anna", R_A),
    ]
    context = {0: 1, 1: SIGN_ON_ID}
    twice = b"\x83\x00\x01\x01\xc4\x08" + SIGN_ON_ID + b"\x01\xc4\x08" + SIGN_ON_ID
    descending = b"\x82\x01\xc4\x08" + SIGN_ON_ID + b"\x00\x01"
    float_version = b"\x82\x00\xca\x3f\x80\x00\x00\x01\xc4\x08" + SIGN_ON_ID
    wide_version = b"\x82\x00\xcc\x01\x01\xc4\x08" + SIGN_ON_ID
    text_key = b"\x83\x00\x01\x01\xc4\x08" + SIGN_ON_ID + b"\xa1a\x00"
    extension = b"\x83\x00\x01\x01\xc4\x08" + SIGN_ON_ID + b"\x02\xd4\x05\x00"
    deep = b"\x83\x00\x01\x01\xc4\x08" + SIGN_ON_ID + b"\x02\x91\x90"

    def raw(body: bytes, length: int = CONFIRM_LENGTH) -> bytes:
        return (len(body).to_bytes(2, "big") + body).ljust(length, b"\0")

    good = Confirm(SIGN_ON_ID).encode()
    refused: list[tuple[str, bytes, str]] = [
        ("Confirm", good[:-1], "255 bytes"),
        ("Confirm", good + b"\0", "257 bytes"),
        ("Confirm", good[:-1] + b"\1", "padding that is not zero"),
        ("Confirm", b"\xff\xff" + good[2:], "a length beyond the end"),
        ("Confirm", bytes(CONFIRM_LENGTH), "no map"),
        ("Confirm", pad({1: SIGN_ON_ID}, CONFIRM_LENGTH), "no version"),
        ("Confirm", pad({0: 2, 1: SIGN_ON_ID}, CONFIRM_LENGTH), "version 2"),
        ("Confirm", pad({0: 1}, CONFIRM_LENGTH), "no sign-on id"),
        ("Confirm", pad({0: 1, 1: SIGN_ON_ID[:7]}, CONFIRM_LENGTH), "a sign-on id of 7 bytes"),
        ("Confirm", pad({0: 1, 1: "sign-on1"}, CONFIRM_LENGTH), "a text for a byte string"),
        ("Confirm", raw(twice), "a key twice"),
        ("Confirm", raw(descending), "keys that descend"),
        ("Confirm", raw(float_version), "a float"),
        ("Confirm", raw(wide_version), "1 in two bytes"),
        ("Confirm", raw(text_key), "a text as a key"),
        ("Confirm", raw(extension), "an extension type under an unknown key"),
        ("Confirm", raw(deep), "three levels under an unknown key"),
        ("Context", pad(context, CONTEXT_LENGTH), "fields missing"),
        ("Context", bare.encode().replace(b"anna", b"a\xff\xffa"), "a text that is no UTF-8"),
        (
            "Decision",
            pad({0: 1, 1: SIGN_ON_ID, 2: 4, 3: R_A, 4: R_V, 5: 1, 6: "", 7: ""}, DECISION_LENGTH),
            "an unknown verdict",
        ),
        (
            "Receipt",
            pad({0: 1, 1: SIGN_ON_ID, 2: 1, 3: 8, 4: "a" * 129}, RECEIPT_LENGTH),
            "a text of 129 bytes",
        ),
        ("H1Payload", bytes(15) + b"\1", "the zero bytes are not zero"),
        ("H1Payload", bytes(17), "17 bytes"),
    ]
    return {
        "description": "SPEC 4: plaintexts with their fields, and plaintexts to be refused.",
        "plaintexts": [
            *(
                {"message": type(m).__name__, "fields": fields_of(m), "plaintext": m.encode()}
                for m in sent
            ),
            {
                "message": "EnrolRequest",
                "fields": {"name": "anna's phone"},
                "plaintext": pad({0: 1, 1: "anna's phone"}, ENROL_REQUEST_LENGTH),
            },
        ],
        "ignored": {
            "message": "Confirm",
            "fields": {"sign_on_id": SIGN_ON_ID},
            "plaintext": pad(
                {0: 1, 1: SIGN_ON_ID, 99: (1, None, True), 100: {5: ""}}, CONFIRM_LENGTH
            ),
        },
        "cleaned": {
            "message": "EnrolAnswer",
            "fields": {"host": "bastion", "user": "anna", "agent_random": R_A},
            "plaintext": pad(
                {0: 1, 1: "bas\u202etion\n", 2: "an\u200bna", 3: R_A}, ENROL_ANSWER_LENGTH
            ),
        },
        "refused": [
            {"message": message, "plaintext": plaintext, "reason": reason}
            for message, plaintext, reason in refused
        ],
    }
