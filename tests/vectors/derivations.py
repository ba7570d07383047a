"""Vectors of the key derivations and of the passcode."""

from typing import Any

from protocol import keys, passcode, sign_on_id
from protocol.kdf import hkdf, kdf
from protocol.keys import Mode
from tests.vectors.fixed import K_RV, PASSCODE, R_A, R_G, R_V, SIGN_ON_ID, Json, value


def derivations() -> Json:
    e, x, h = value("E"), value("X"), value("h")
    relay, agent = value("relay's public key"), value("agent's public key")
    p = keys.passcode_input(Mode.PASSCODE, PASSCODE)
    proof = keys.passcode_input(Mode.PROOF, "")
    tag = keys.tag(K_RV, p)
    h1 = value("H1", 32) + value("H1, rest", 32)
    ticket = bytes(4) + bytes((0, 0, 0, 9)) + b"postgresql"
    labels = [
        ("link", value("shared secret"), relay + agent, 32),
        ("tag", K_RV, p, 16),
        ("tag", K_RV, proof, 16),
        ("psk", R_G, p, 32),
        ("psk", R_G, proof, 32),
        ("m1", K_RV, tag + h1, 16),
        ("tag", e, b"", 16),
        ("rv", x, b"", 32),
        ("r0", x, b"", 32),
        ("compare", h, b"", 8),
        ("offline", R_G, b"", 32),
        ("ticket", K_RV, ticket, 4),
        ("ticket", R_G, ticket, 3),
    ]
    found: list[tuple[str, Json, Any]] = [
        ("KDF", {"key": k, "label": label, "context": c, "length": n}, kdf(k, label, c, n))
        for label, k, c, n in labels
    ]
    for mode, code in ((Mode.PASSCODE, PASSCODE), (Mode.PUSH, ""), (Mode.PROOF, "")):
        q = keys.passcode_input(mode, code)
        found += [
            ("p", {"mode": mode, "passcode": code}, q),
            ("tag", {"K_rv": K_RV, "p": q}, keys.tag(K_RV, q)),
            ("psk", {"R_g": R_G, "p": q}, keys.psk(R_G, q)),
            ("prologue", {"mode": mode, "tag": tag}, keys.prologue(mode, tag)),
        ]
    found += [
        ("prologue", {"mode": 0, "tag": tag}, keys.prologue(Mode.ENROLMENT, tag)),
        ("m1mac", {"K_rv": K_RV, "tag": tag, "h1": h1}, keys.m1mac(K_RV, tag, h1)),
        (
            "next_root",
            {"h": h, "R_g": R_G, "r_a": R_A, "r_v": R_V},
            keys.next_ratchet_root(h, R_G, R_A, R_V),
        ),
        ("sign_on_id", {"id": SIGN_ON_ID}, sign_on_id.display(SIGN_ON_ID)),
        ("X", {"h": h, "E": e, "r_0": R_A}, hkdf(h, e + R_A, b"enrol", 32)),
    ]
    return {
        "description": "SPEC 1, 3.1, 3.4 and 6.3: each label and each formula.",
        "vectors": [
            {"function": function, "inputs": inputs, "output": output}
            for function, inputs, output in found
        ],
    }


def passcodes() -> Json:
    valid = [passcode.with_check_digit(f"{n:07d}") for n in range(0, 10**7, 611_953)]
    return {
        "description": "SPEC 3.2: passcodes, mistyped ones, and what may be typed for one.",
        "valid": [*valid, PASSCODE],
        "mistyped": [
            *(code[:-1] + str((int(code[-1]) + 1) % 10) for code in valid),
            PASSCODE[1] + PASSCODE[0] + PASSCODE[2:],
            PASSCODE[:-1],
            PASSCODE + "0",
            PASSCODE[:-1] + "x",
            "",
        ],
        "shown": [{"passcode": code, "shown": passcode.display(code)} for code in valid],
        "typed": [
            {"typed": typed, "passcode": PASSCODE}
            for typed in ("4921 7734", "4921-7734", " 49 21 77 34 ", "49217734")
        ],
    }
