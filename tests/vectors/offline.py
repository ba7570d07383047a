"""Vectors of what works without a network."""

from protocol import offline, passcode, ticket
from tests.vectors.fixed import K_RV, PASSCODE, R_G, Json

RESPONSE = offline.response(offline.offline_key(R_G), PASSCODE)


def without_network() -> Json:
    key = offline.offline_key(R_G)
    codes = [passcode.with_check_digit(f"{n:07d}") for n in (0, 1, 1_234_567, 9_999_999)]
    made = [
        (7, 0, "postgresql"),
        (7, 1, "postgresql"),
        (7, 0, "dovecot"),
        (8, 0, "postgresql"),
        (0, 2**32 - 1, "sshd"),
        (2**32 - 1, 0, ""),
        (7, 31, "größe"),
    ]
    first = _ticket(key, *made[0])["ticket"]
    return {
        "description": "SPEC 7: the offline key, responses, tickets, and what may be typed.",
        "K_rv": K_RV,
        "R_g": R_G,
        "K_off": key,
        "suite": offline.SUITE,
        "responses": [
            {
                "passcode": code,
                "response": offline.response(key, code),
                "shown": offline.display(offline.response(key, code)),
            }
            for code in (PASSCODE, *codes)
        ],
        "typed_responses": [
            {"typed": typed, "response": RESPONSE}
            for typed in (
                RESPONSE,
                offline.display(RESPONSE),
                f" {RESPONSE[:2]}-{RESPONSE[2:]} ",
            )
        ],
        "no_responses": ["", RESPONSE[:-1], RESPONSE + "0", RESPONSE[:-1] + "x", "yes"],
        "tickets": [_ticket(key, *each) for each in made],
        "typed_tickets": [
            {"typed": typed, "ticket": first}
            for typed in (
                first,
                ticket.display(first),
                first.lower(),
                f" {' '.join(first)} ",
            )
        ]
        + [
            {"typed": typed, "ticket": whole}
            for typed, whole in (
                ("o1il0-LIO1z", "011101101Z"),
                ("OOOOO-lllll", "0000011111"),
            )
        ],
        "no_tickets": ["", first[:-1], first + "0", first[:-1] + "u", first[:-1] + "\u0131"],
    }


def _ticket(key: bytes, generation: int, counter: int, service: str) -> Json:
    locator = ticket.locator(K_RV, generation, counter, service)
    proof = ticket.proof(key, generation, counter, service)
    return {
        "generation": generation,
        "counter": counter,
        "service": service,
        "locator": locator,
        "proof": proof,
        "ticket": locator + proof,
        "shown": ticket.display(locator + proof),
    }
