"""The vectors read by an implementation that was made from SPEC.md alone."""

import ast
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.protocol import independent as other
from tests.protocol.independent import IK, KK, Noise, RefusedError, dh, kdf, opened, public, sealed

FOLDER = Path(__file__).parent.parent / "vectors"

Json = dict[str, Any]


def load(name: str) -> Json:
    document: Json = json.loads((FOLDER / name).read_text())
    return document


def raw(thing: Any) -> Any:
    """Every text that is hexadecimal, as bytes."""
    if isinstance(thing, dict):
        return {key: raw(item) for key, item in thing.items()}
    if isinstance(thing, list):
        return [raw(item) for item in thing]
    try:
        return bytes.fromhex(thing) if isinstance(thing, str) else thing
    except ValueError:
        return thing


def test_it_is_independent() -> None:
    tree = ast.parse(Path(other.__file__).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    allowed = {"base64", "hashlib", "hmac", "unicodedata", "collections", "itertools", "typing"}
    assert imported == allowed | {"msgpack", "cryptography"}


# ---- derivations, passcodes ----------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[[Json], Any]] = {
    "KDF": lambda i: kdf(i["key"], i["label"], i["context"], i["length"]),
    "p": lambda i: other.p(i["mode"], i["passcode"]),
    "tag": lambda i: kdf(i["K_rv"], "tag", i["p"], 16),
    "psk": lambda i: kdf(i["R_g"], "psk", i["p"], 32),
    "prologue": lambda i: other.prologue(i["mode"], i["tag"]),
    "m1mac": lambda i: kdf(i["K_rv"], "m1", i["tag"] + i["h1"], 16),
    "next_root": lambda i: other.next_root(i["h"], i["R_g"], i["r_a"], i["r_v"]),
    "sign_on_id": lambda i: other.base32(i["id"]),
    "X": lambda i: other.hkdf(i["h"], i["E"] + i["r_0"], b"enrol", 32),
}
TEXTS = ("label", "passcode")


def test_derivations() -> None:
    vectors = load("derivations.json")["vectors"]
    for vector in vectors:
        inputs = {k: v if k in TEXTS else raw(v) for k, v in vector["inputs"].items()}
        output = FUNCTIONS[vector["function"]](inputs)
        assert (output.hex() if isinstance(output, bytes) else output) == vector["output"]
    assert {vector["function"] for vector in vectors} == set(FUNCTIONS)


def test_passcodes() -> None:
    vectors = load("passcodes.json")
    for code in vectors["valid"]:
        assert other.typed_passcode(code) == code
    for code in vectors["mistyped"]:
        with pytest.raises(RefusedError):
            other.typed_passcode(code)
    for vector in (*vectors["shown"], *vectors["typed"]):
        assert other.typed_passcode(vector.get("shown", vector.get("typed"))) == vector["passcode"]


def test_without_a_network() -> None:
    vectors = load("offline.json")
    k_rv, key = raw(vectors["K_rv"]), raw(vectors["K_off"])
    assert key == kdf(raw(vectors["R_g"]), "offline", b"", 32)
    for v in vectors["responses"]:
        assert other.offline_response(key, v["passcode"]) == v["response"]
        assert other.typed_response(v["shown"]) == v["response"]
    for v in vectors["tickets"]:
        made = other.ticket(k_rv, key, v["generation"], v["counter"], v["service"])
        assert made == v["ticket"] == v["locator"] + v["proof"]
        assert other.typed_ticket(v["shown"]) == made
    for v in vectors["typed_responses"]:
        assert other.typed_response(v["typed"]) == v["response"]
    for v in vectors["typed_tickets"]:
        assert other.typed_ticket(v["typed"]) == v["ticket"]
    for typed in vectors["no_responses"]:
        with pytest.raises(RefusedError):
            other.typed_response(typed)
    for typed in vectors["no_tickets"]:
        with pytest.raises(RefusedError):
            other.typed_ticket(typed)


# ---- the relay level -----------------------------------------------------------------------------

MESSAGES = load("messages.json")


@pytest.mark.parametrize("vector", MESSAGES["messages"], ids=lambda v: v["message"])
def test_messages_both_ways(vector: Json) -> None:
    body = bytes.fromhex(vector["body"])
    fields = vector["fields"]
    expected = {key: v if key == "address" else raw(v) for key, v in fields.items()}
    assert other.read_message(vector["sender"], body) == (vector["message"], expected)
    assert other.write_message(vector["message"], expected) == body
    assert other.frame(body).hex() == vector["frame"]


@pytest.mark.parametrize("vector", MESSAGES["refused"], ids=lambda v: v["reason"])
def test_refused_messages(vector: Json) -> None:
    with pytest.raises(RefusedError):
        other.read_message(vector["sender"], bytes.fromhex(vector["body"]))


def test_prefaces() -> None:
    for vector in MESSAGES["prefaces"]:
        assert (b"BTZN\x01" + bytes([vector["shard"]])).hex() == vector["preface"]


def test_a_links_set_up() -> None:
    v = raw(load("link.json"))
    assert dh(v["agent_private"], v["relay_public"]) == v["shared"]
    assert dh(v["relay_private"], v["agent_public"]) == v["shared"]
    key = kdf(v["shared"], "link", public(v["relay_private"]) + public(v["agent_private"]), 32)
    assert key == v["K_ar"]
    assert other.hmac_sha256(key, b"relay" + v["nonce_a"] + v["nonce_r"])[:16] == v["mac_r"]
    assert other.hmac_sha256(key, b"agent" + v["nonce_r"] + v["nonce_a"])[:16] == v["mac_a"]

    def sent(name: str, **fields: Any) -> bytes:
        return other.frame(other.write_message(name, fields))

    assert v["from_agent"] == [
        b"BTZN\x01" + bytes([v["shard"]]),
        sent("Hello", link_key=v["agent_public"], nonce=v["nonce_a"]),
        sent("Attach", mac=v["mac_a"]),
    ]
    assert v["from_relay"] == [
        sent("Challenge", nonce=v["nonce_r"], mac=v["mac_r"]),
        sent("Attached", most_waiting=1024, longest_ttl=600),
    ]


# ---- plaintexts ----------------------------------------------------------------------------------

PLAINTEXTS = load("plaintexts.json")
BYTES = ("sign_on_id", "agent_random", "context_hash", "validator_random")


def fields_in_bytes(fields: Json) -> Json:
    return {key: raw(item) if key in BYTES else item for key, item in fields.items()}


@pytest.mark.parametrize("vector", PLAINTEXTS["plaintexts"], ids=lambda v: v["message"])
def test_plaintexts_both_ways(vector: Json) -> None:
    plaintext = bytes.fromhex(vector["plaintext"])
    fields = fields_in_bytes(vector["fields"])
    assert other.read_plaintext(vector["message"], plaintext) == fields
    assert other.write_plaintext(vector["message"], fields) == plaintext


@pytest.mark.parametrize("name", ["ignored", "cleaned"])
def test_plaintexts_that_no_encoder_makes(name: str) -> None:
    vector = PLAINTEXTS[name]
    found = other.read_plaintext(vector["message"], bytes.fromhex(vector["plaintext"]))
    assert found == fields_in_bytes(vector["fields"])


@pytest.mark.parametrize("vector", PLAINTEXTS["refused"], ids=lambda v: v["reason"])
def test_refused_plaintexts(vector: Json) -> None:
    with pytest.raises(RefusedError):
        other.read_plaintext(vector["message"], bytes.fromhex(vector["plaintext"]))


# ---- sign-ons ------------------------------------------------------------------------------------

SIGN_ONS = load("sign_on.json")
ENROLMENT = load("enrolment.json")
WHOLE = [*SIGN_ONS["sign_ons"], ENROLMENT["proof"]]


def first_message(v: Json, es: bytes, ss: bytes) -> Noise:
    """A side's state before the payload of H1."""
    noise = Noise(KK, v["prologue"], v["device_static_public"], v["agent_static_public"])
    noise.psk(v["psk"])
    noise.e(public(v["device_ephemeral_private"]))
    noise.mix_key(es)
    noise.mix_key(ss)
    return noise


@pytest.mark.parametrize("vector", WHOLE, ids=["approved", "reported", "proof"])
def test_a_sign_on_as_the_validator(vector: Json) -> None:
    v = {**raw(vector), "passcode": vector["passcode"]}
    frames = {step["name"]: step["frame"] for step in v["steps"]}
    plain = {step["name"]: step["plaintext"] for step in v["steps"]}
    static, ephemeral = v["device_static_private"], v["device_ephemeral_private"]

    assert other.p(v["mode"], v["passcode"]) == v["p"]
    tag = kdf(v["K_rv"], "tag", v["p"], 16)
    assert tag == v["tag"]
    assert kdf(v["R_g"], "psk", v["p"], 32) == v["psk"]
    assert other.prologue(v["mode"], tag) == v["prologue"]

    agent_static = v["agent_static_public"]
    noise = first_message(v, dh(ephemeral, agent_static), dh(static, agent_static))
    payload = other.write_plaintext(
        "H1Payload", {"generation": v["generation"], "caps": 0, "app_version": 1}
    )
    message = public(ephemeral) + noise.seal(payload)
    m1mac = kdf(v["K_rv"], "m1", tag + message, 16)
    assert (payload, m1mac, message + m1mac) == (plain["H1"], v["m1mac"], frames["H1"])
    opening = other.frame(other.write_message("AuthValidate", {"tag": tag}))
    opening = b"BTZN\x01\x4d" + opening + other.frame(frames["H1"])
    assert opening == v["from_validator_in_one_write"]

    agent_ephemeral = frames["CONTEXT"][:32]
    noise.e(agent_ephemeral)
    noise.mix_key(dh(ephemeral, agent_ephemeral))
    noise.mix_key(dh(static, agent_ephemeral))
    shown = noise.open(frames["CONTEXT"][32:])
    assert shown == plain["CONTEXT"]
    context = other.read_plaintext("Context", shown)
    assert context["mode"] == v["mode"]
    assert noise.h == v["handshake_hash"]
    to_agent, to_validator = noise.split()

    decision = other.read_plaintext("Decision", plain["DECISION"])
    assert decision["context_hash"] == hashlib.sha256(shown).digest() == v["context_hash"]
    assert decision["sign_on_id"] == context["sign_on_id"]
    assert decision["passcode"] == v["passcode"]
    assert decision["validator_random"] == v["r_v"]
    assert sealed(to_agent, 0, b"", plain["DECISION"]) == frames["DECISION"]

    assert opened(to_validator, 0, b"", frames["RECEIPT"]) == plain["RECEIPT"]
    receipt = other.read_plaintext("Receipt", plain["RECEIPT"])
    assert receipt["next_generation"] == v["generation"] + 1
    root = other.next_root(noise.h, v["R_g"], context["agent_random"], v["r_v"])
    assert root == v["next_root"]
    confirm = other.write_plaintext("Confirm", {"sign_on_id": context["sign_on_id"]})
    assert sealed(to_agent, 1, b"", confirm) == frames["CONFIRM"]


@pytest.mark.parametrize("vector", WHOLE, ids=["approved", "reported", "proof"])
def test_a_sign_on_as_the_agent(vector: Json) -> None:
    v = raw(vector)
    frames = {step["name"]: step["frame"] for step in v["steps"]}
    plain = {step["name"]: step["plaintext"] for step in v["steps"]}
    static, ephemeral = v["agent_static_private"], v["agent_ephemeral_private"]
    device_static, device_ephemeral = v["device_static_public"], frames["H1"][:32]

    assert kdf(v["K_rv"], "m1", v["tag"] + frames["H1"][:64], 16) == frames["H1"][64:]
    noise = first_message(v, dh(static, device_ephemeral), dh(static, device_static))
    payload = other.read_plaintext("H1Payload", noise.open(frames["H1"][32:64]))
    assert payload["generation"] == v["generation"]

    noise.e(public(ephemeral))
    noise.mix_key(dh(ephemeral, device_ephemeral))
    noise.mix_key(dh(ephemeral, device_static))
    assert public(ephemeral) + noise.seal(plain["CONTEXT"]) == frames["CONTEXT"]
    to_agent, to_validator = noise.split()
    assert opened(to_agent, 0, b"", frames["DECISION"]) == plain["DECISION"]
    assert sealed(to_validator, 0, b"", plain["RECEIPT"]) == frames["RECEIPT"]
    assert opened(to_agent, 1, b"", frames["CONFIRM"]) == plain["CONFIRM"]


def refusal(v: Json, frame: bytes) -> str:
    """Why an agent refuses H1, "" if it does not: in the order of SPEC 5.3."""
    if len(frame) != 80 or kdf(v["K_rv"], "m1", v["tag"] + frame[:64], 16) != frame[64:]:
        return "not counted"
    static = v["agent_static_private"]
    noise = Noise(KK, v["prologue"], v["device_static_public"], v["agent_static_public"])
    noise.psk(v["psk"])
    noise.e(frame[:32])
    try:
        noise.mix_key(dh(static, frame[:32]))
        noise.mix_key(dh(static, v["device_static_public"]))
        plaintext = noise.open(frame[32:64])
    except RefusedError:
        return "counted"
    try:
        payload = other.read_plaintext("H1Payload", plaintext)
    except RefusedError:
        return "not counted"
    return "" if payload["generation"] == v["generation"] else "not counted"


@pytest.mark.parametrize("vector", SIGN_ONS["refused_h1"], ids=lambda v: v["why"])
def test_refused_h1(vector: Json) -> None:
    v = raw(SIGN_ONS["sign_ons"][0])
    expected = "counted" if vector["counted"] else "not counted"
    assert refusal(v, bytes.fromhex(vector["frame"])) == expected
    assert refusal(v, v["steps"][0]["frame"]) == ""


# ---- enrolment -----------------------------------------------------------------------------------


def test_the_offer() -> None:
    fields = {
        key: item if key in ("relays", "host") else raw(item)
        for key, item in ENROLMENT["offer"].items()
    }
    for typed in (ENROLMENT["uri"], *ENROLMENT["typed"]):
        assert other.read_offer(typed) == fields
    assert other.write_offer(fields) == ENROLMENT["uri"]
    for mistyped in ENROLMENT["mistyped"]:
        with pytest.raises(RefusedError):
            other.read_offer(mistyped)


def test_an_enrolment_from_both_sides() -> None:
    v = raw(ENROLMENT)
    e = v["offer"]["secret"]
    tag = kdf(e, "tag", b"", 16)
    assert tag == v["tag"]
    assert other.prologue(0, tag) == v["prologue"]
    s_a, e_a = v["agent_static_private"], v["agent_ephemeral_private"]
    s_v, e_v = v["device_static_private"], v["device_ephemeral_private"]
    assert public(s_a) == v["offer"]["agent_public"]

    device = Noise(IK, v["prologue"], public(s_a))
    device.e(public(e_v))
    device.mix_key(dh(e_v, public(s_a)))
    static = device.seal(public(s_v))
    device.mix_key(dh(s_v, public(s_a)))
    device.psk(e)
    e1 = public(e_v) + static + device.seal(v["e1_plaintext"])
    assert e1 == v["e1"]

    agent = Noise(IK, v["prologue"], public(s_a))
    agent.e(e1[:32])
    agent.mix_key(dh(s_a, e1[:32]))
    device_public = agent.open(e1[32:80])
    agent.mix_key(dh(s_a, device_public))
    agent.psk(e)
    name = other.read_plaintext("EnrolRequest", agent.open(e1[80:]))
    assert (device_public, name) == (public(s_v), {"name": "anna's phone"})
    agent.e(public(e_a))
    agent.mix_key(dh(e_a, e1[:32]))
    agent.mix_key(dh(e_a, device_public))
    e2 = public(e_a) + agent.seal(v["e2_plaintext"])
    assert e2 == v["e2"]

    device.e(e2[:32])
    device.mix_key(dh(e_v, e2[:32]))
    device.mix_key(dh(s_v, e2[:32]))
    answer = other.read_plaintext("EnrolAnswer", device.open(e2[32:]))
    assert answer == {"host": "bastion", "user": "anna", "agent_random": v["r_0"]}
    assert device.h == agent.h == v["handshake_hash"]
    assert (len(e1), len(e2)) == (352, 560)


def test_what_an_enrolment_gives() -> None:
    v = raw(ENROLMENT)
    x = other.hkdf(v["handshake_hash"], v["offer"]["secret"] + v["r_0"], b"enrol", 32)
    assert x == v["X"]
    assert kdf(x, "rv", b"", 32) == v["K_rv"] == v["proof"]["K_rv"]
    assert kdf(x, "r0", b"", 32) == v["R_0"] == v["proof"]["R_g"]
    number = int.from_bytes(kdf(v["handshake_hash"], "compare", b"", 8), "big") % 10**6
    assert f"{number:06d}" == ENROLMENT["compare"]
    assert v["proof"]["p"] == b"\x05\x00"
    assert v["proof"]["generation"] == 0


# ---- the ratchet ---------------------------------------------------------------------------------


def as_json(ratchet: other.Ratchet) -> Json:
    def plain(generation: other.Generation | None) -> Any:
        return None if generation is None else [generation[0], generation[1].hex()]

    return {
        "current": plain(ratchet.current),
        "pending": plain(ratchet.pending),
        "retired": [plain(generation) for generation in ratchet.retired],
    }


def generation_of(pair: list[Any]) -> other.Generation:
    return pair[0], bytes.fromhex(pair[1])


@pytest.mark.parametrize("story", load("ratchet.json")["stories"], ids=lambda story: story["why"])
def test_the_ratchets_stories(story: Json) -> None:
    ratchet = other.Ratchet(generation_of(story["start"]["current"]))
    for event in story["events"]:
        match event["event"]:
            case "h1":
                ratchet.h1(event["sign_on"], generation_of(event["base"]))
            case "decision":
                root = bytes.fromhex(event["next_root"])
                assert ratchet.decision(event["sign_on"], root) == event["result"]
            case _:
                ratchet.confirm(event["sign_on"])
        assert as_json(ratchet) == event["ratchet"]
