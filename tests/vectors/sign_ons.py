"""Vectors of whole sign-ons and of an enrolment, byte by byte."""

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol import keys, messages
from protocol.agent_auth import public_bytes
from protocol.enrolment import AgentEnrolment, EnrolAnswer, Offer, ValidatorEnrolment
from protocol.frames import encode_frame, encode_preface
from protocol.kdf import hkdf
from protocol.keys import Mode
from protocol.limits import ENROL_REQUEST_LENGTH
from protocol.messages import AuthValidate
from protocol.noise import KKPSK0, Handshake, HandshakeKeys
from protocol.ratchet import Generation
from protocol.signon import AgentSignOn, DeviceKeys, EnrolledDevice, ValidatorSignOn
from protocol.signon_messages import (
    Confirm,
    Context,
    H1Payload,
    SignOnOutcome,
    UserVerification,
    Verdict,
    pad,
)
from tests.vectors.fixed import (
    AGENT,
    AGENT_EPHEMERAL,
    DEVICE,
    DEVICE_EPHEMERAL,
    GENERATION,
    K_RV,
    PASSCODE,
    R_A,
    R_G,
    R_V,
    SIGN_ON_ID,
    Json,
    fields_of,
    private,
    value,
)
from tests.vectors.plaintexts import CONTEXT


def one_sign_on(
    k_rv: bytes, generation: Generation, mode: Mode, code: str, context: Context, verdict: Verdict
) -> Json:
    """Every value of one sign-on, byte by byte."""
    p = keys.passcode_input(mode, code)
    validator = ValidatorSignOn(
        DeviceKeys(DEVICE, public_bytes(AGENT), k_rv, generation),
        mode,
        code,
        app_version=1,
        ephemeral=DEVICE_EPHEMERAL,
        validator_random=R_V,
    )
    agent = AgentSignOn(
        AGENT,
        EnrolledDevice(public_bytes(DEVICE), k_rv, (generation,)),
        mode,
        code,
        ephemeral=AGENT_EPHEMERAL,
    )
    h1 = validator.h1()
    payload = agent.receive_h1(h1)
    context_frame = agent.context(context)
    validator.receive_context(context_frame)
    decision_frame = validator.decision(verdict, "", UserVerification.PIN)
    decision = agent.receive_decision(decision_frame)
    approved = verdict is Verdict.APPROVE
    outcome = SignOnOutcome.SIGNED_ON if approved else SignOnOutcome.REFUSED
    receipt_frame = agent.receipt(outcome, "welcome")
    receipt = validator.receive_receipt(receipt_frame)
    confirm_frame = validator.confirm()
    agent.receive_confirm(confirm_frame)
    tag = keys.tag(k_rv, p)
    return {
        "agent_static_private": AGENT.private_bytes_raw(),
        "agent_static_public": public_bytes(AGENT),
        "agent_ephemeral_private": AGENT_EPHEMERAL.private_bytes_raw(),
        "device_static_private": DEVICE.private_bytes_raw(),
        "device_static_public": public_bytes(DEVICE),
        "device_ephemeral_private": DEVICE_EPHEMERAL.private_bytes_raw(),
        "K_rv": k_rv,
        "generation": generation.number,
        "R_g": generation.root,
        "mode": mode,
        "passcode": code,
        "p": p,
        "tag": tag,
        "psk": keys.psk(generation.root, p),
        "prologue": keys.prologue(mode, tag),
        "r_v": R_V,
        "from_validator_in_one_write": encode_preface(77)
        + encode_frame(messages.encode(AuthValidate(tag)))
        + encode_frame(h1),
        "m1mac": h1[-16:],
        "steps": [
            {"name": "H1", "plaintext": payload.encode(), "frame": h1},
            {"name": "CONTEXT", "plaintext": context.encode(), "frame": context_frame},
            {"name": "DECISION", "plaintext": decision.encode(), "frame": decision_frame},
            {"name": "RECEIPT", "plaintext": receipt.encode(), "frame": receipt_frame},
            {"name": "CONFIRM", "plaintext": Confirm(context.sign_on_id).encode(),
             "frame": confirm_frame},
        ],
        "context_hash": decision.context_hash,
        "handshake_hash": agent.handshake_hash,
        "next_root": agent.next_root,
    }  # fmt: skip


def sign_on() -> Json:
    return {
        "description": "SPEC 5: sign-ons byte by byte.",
        "sign_ons": [
            one_sign_on(K_RV, GENERATION, Mode.PASSCODE, PASSCODE, CONTEXT, Verdict.APPROVE),
            one_sign_on(K_RV, GENERATION, Mode.PASSCODE, PASSCODE, CONTEXT, Verdict.REPORT),
        ],
        "refused_h1": wrong_first_messages(),
    }


def wrong_first_messages() -> list[Json]:
    """H1s for the sign-on above that its agent refuses, and whether that is counted (SPEC 5.5)."""
    p = keys.passcode_input(Mode.PASSCODE, PASSCODE)
    tag = keys.tag(K_RV, p)

    def made(payload: bytes, root: bytes = R_G, device: X25519PrivateKey = DEVICE) -> bytes:
        noise = Handshake(
            KKPSK0,
            True,
            keys.prologue(Mode.PASSCODE, tag),
            HandshakeKeys(device, public_bytes(AGENT), keys.psk(root, p), DEVICE_EPHEMERAL),
        )
        message = noise.write(payload)
        return message + keys.m1mac(K_RV, tag, message)

    right = made(H1Payload(7).encode())
    low_order = bytes(32) + right[32:64]
    cases: list[tuple[str, bytes, bool]] = [
        ("a bit of m1mac is wrong", right[:-1] + bytes((right[-1] ^ 1,)), False),
        ("a bit of the message is wrong", bytes((right[0] ^ 1,)) + right[1:], False),
        ("79 bytes", right[:-1], False),
        ("81 bytes", right + b"\0", False),
        ("made with another R_g", made(H1Payload(7).encode(), root=value("R_g+1")), True),
        ("made with another S_v", made(H1Payload(7).encode(), device=private("thief")), True),
        ("a low-order ephemeral", low_order + keys.m1mac(K_RV, tag, low_order), True),
        ("names another generation", made(H1Payload(8).encode()), False),
        ("the zero bytes are not zero", made(H1Payload(7).encode()[:15] + b"\1"), False),
    ]
    return [{"why": why, "frame": frame, "counted": counted} for why, frame, counted in cases]


def enrolment() -> Json:
    offer = Offer(
        agent_public=public_bytes(AGENT),
        secret=value("E"),
        expires=1_800_000_600,
        shard=77,
        relays=("relay.example.net:4817", "[2001:db8::7]:4817"),
        host="bastion",
    )
    validator = ValidatorEnrolment(offer, DEVICE, DEVICE_EPHEMERAL)
    agent = AgentEnrolment(offer, AGENT, AGENT_EPHEMERAL)
    e1 = validator.e1("anna's phone")
    device = agent.receive_e1(e1)
    answer = EnrolAnswer("bastion", "anna", value("r_0"))
    e2, enrolled = agent.e2(answer)
    validator.receive_e2(e2)
    h = agent._noise.handshake_hash
    proof = one_sign_on(
        enrolled.rendezvous_root,
        Generation(0, enrolled.ratchet_root),
        Mode.PROOF,
        "",
        Context(SIGN_ON_ID, R_A, "anna", "bastion", "enrolment", mode=Mode.PROOF),
        Verdict.APPROVE,
    )
    return {
        "description": "SPEC 6: an offer, an enrolment byte by byte, and its proof.",
        "offer": fields_of(offer),
        "uri": offer.encode(),
        "typed": [offer.encode().upper(), "-".join(offer.encode()), " \n".join(offer.encode())],
        "mistyped": [
            offer.encode()[:40] + ("b" if offer.encode()[40] == "a" else "a") + offer.encode()[41:],
            offer.encode()[:40] + offer.encode()[41:],
            offer.encode()[:-10],
            offer.encode().replace("bartizan:", "bartisan:"),
        ],
        "tag": offer.tag,
        "prologue": keys.prologue(Mode.ENROLMENT, offer.tag),
        "agent_static_private": AGENT.private_bytes_raw(),
        "agent_ephemeral_private": AGENT_EPHEMERAL.private_bytes_raw(),
        "device_static_private": DEVICE.private_bytes_raw(),
        "device_ephemeral_private": DEVICE_EPHEMERAL.private_bytes_raw(),
        "e1_plaintext": pad({0: 1, 1: device.name}, ENROL_REQUEST_LENGTH),
        "e1": e1,
        "e2_plaintext": answer.encode(),
        "e2": e2,
        "handshake_hash": h,
        "r_0": answer.agent_random,
        "X": hkdf(h, offer.secret + answer.agent_random, b"enrol", 32),
        "K_rv": enrolled.rendezvous_root,
        "R_0": enrolled.ratchet_root,
        "compare": enrolled.compare,
        "proof": proof,
    }
