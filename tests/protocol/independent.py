"""A second implementation of the protocol, made from SPEC.md alone: it imports nothing of ours.

Small and slow. With it the test vectors are read the other way round, which shows that the text and
the vectors are enough for a stranger. The numbers in comments are SPEC's sections.
"""

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class RefusedError(Exception):
    """The protocol error."""


def check(condition: bool) -> None:
    if not condition:
        raise RefusedError


# ---- 3.1, 3.4, 6.3: derivations ------------------------------------------------------------------


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    prk = hmac_sha256(salt, ikm)
    result = block = b""
    while len(result) < length:
        block = hmac_sha256(prk, block + info + bytes([len(result) // 32 + 1]))
        result += block
    return result[:length]


def kdf(key: bytes, label: str, context: bytes, length: int) -> bytes:
    return hkdf(b"bartizan1", key, bytes([len(label)]) + label.encode() + context, length)


def p(mode: int, passcode: str) -> bytes:
    return bytes([mode, len(passcode)]) + passcode.encode()


def prologue(mode: int, tag: bytes) -> bytes:
    return b"bartizan1" + bytes([1, mode]) + tag + b"VA"


def next_root(h: bytes, root: bytes, r_a: bytes, r_v: bytes) -> bytes:
    return hkdf(h, root + r_a + r_v, b"ratchet", 32)


def base32(data: bytes) -> str:
    return base64.b32encode(data).decode().strip("=").lower()


# ---- 3.2: passcodes ------------------------------------------------------------------------------

DAMM = (
    "0317598642"
    "7092154863"
    "4206871359"
    "1750983426"
    "6123045978"
    "3674209581"
    "5869720134"
    "8945362017"
    "9438617205"
    "2581436790"
)


def typed_passcode(typed: str) -> str:
    digits = "".join(c for c in typed if c not in " -")
    check(len(digits) == 8 and all(c in "0123456789" for c in digits))
    i = 0
    for digit in digits:
        i = int(DAMM[10 * i + int(digit)])
    check(i == 0)
    return digits


# ---- 7: without a network ------------------------------------------------------------------------

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def offline_response(offline_key: bytes, passcode: str) -> str:
    question = format(int(passcode), "X")
    question += "0" * (256 - len(question))
    data = b"OCRA-1:HOTP-SHA256-8:QN08" + b"\0" + bytes.fromhex(question)
    mac = hmac_sha256(offline_key, data)
    start = mac[31] % 16
    number = int.from_bytes(mac[start : start + 4], "big") % 2**31
    return str(number % 10**8).zfill(8)


def ticket(k_rv: bytes, offline_key: bytes, generation: int, counter: int, service: str) -> str:
    context = b"".join(n.to_bytes(4, "big") for n in (generation, counter)) + service.encode()
    bits = "".join(f"{byte:08b}" for byte in kdf(k_rv, "ticket", context, 4))[:30]
    bits += "".join(f"{byte:08b}" for byte in kdf(offline_key, "ticket", context, 3))[:20]
    return "".join(CROCKFORD[int(bits[i : i + 5], 2)] for i in range(0, 50, 5))


def typed_response(typed: str) -> str:
    digits = "".join(c for c in typed if c not in " -")
    check(len(digits) == 8 and all(c in "0123456789" for c in digits))
    return digits


def typed_ticket(typed: str) -> str:
    check(typed.isascii())
    found = "".join(
        {"O": "0", "I": "1", "L": "1"}.get(c, c) for c in typed.upper() if c not in " -"
    )
    check(len(found) == 10 and all(c in CROCKFORD for c in found))
    return found


# ---- 2.2, 2.3: frames and msgpack ----------------------------------------------------------------


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(2, "big") + body


def pairs(items: list[tuple[Any, Any]]) -> dict[int, Any]:
    keys = [key for key, _ in items]
    check(all(type(key) is int and 0 <= key <= 127 for key in keys))
    check(all(a < b for a, b in pairwise(keys)))
    return dict(items)


def strict(body: bytes) -> Any:
    try:
        found = msgpack.unpackb(body, strict_map_key=False, object_pairs_hook=pairs)
        again = msgpack.packb(found)
    except RefusedError:
        raise
    except Exception:
        raise RefusedError from None

    def walk(item: Any, depth: int) -> None:
        check(type(item) in (int, str, bytes, bool, type(None), list, dict))
        if type(item) in (list, dict):
            check(depth < 2)
            for inner in item.values() if type(item) is dict else item:
                walk(inner, depth + 1)

    walk(found, 0)
    check(again == body)
    return found


# ---- 2.4: messages -------------------------------------------------------------------------------

Check = Callable[[Any], None]


def uint(bits: int) -> Check:
    return lambda item: check(type(item) is int and 0 <= item < 2**bits)


def one_of(*values: int) -> Check:
    return lambda item: check(type(item) is int and item in values)


def binary(least: int, most: int | None = None) -> Check:
    return lambda item: check(type(item) is bytes and least <= len(item) <= (most or least))


def string(most: int) -> Check:
    return lambda item: check(type(item) is str and len(item.encode()) <= most)


def tags(item: Any) -> None:
    check(type(item) is list and 1 <= len(item) <= 8)
    for tag in item:
        binary(16)(tag)
    check(len(set(item)) == len(item))


MESSAGES: dict[int, tuple[str, tuple[str, ...], dict[str, Check]]] = {
    0: ("Hello", ("agent",), {"link_key": binary(32), "nonce": binary(16)}),
    1: ("Challenge", ("relay",), {"nonce": binary(16), "mac": binary(16)}),
    2: ("Attach", ("agent",), {"mac": binary(16)}),
    3: ("Attached", ("relay",), {"most_waiting": uint(32), "longest_ttl": uint(16)}),
    4: (
        "AuthRequest",
        ("agent",),
        {"request": uint(32), "sign_on_id": binary(8), "ttl": uint(16), "tags": tags},
    ),
    5: ("Queued", ("relay",), {"request": uint(32)}),
    6: ("Refused", ("relay",), {"request": uint(32), "reason": one_of(1, 2, 3, 4, 5)}),
    7: ("Paired", ("relay",), {"request": uint(32), "tag_index": uint(8), "address": string(64)}),
    8: ("Data", ("agent", "relay"), {"request": uint(32), "frame": binary(1, 2048)}),
    9: ("Reject", ("agent",), {"request": uint(32)}),
    10: ("Close", ("agent", "relay"), {"request": uint(32), "reason": one_of(1, 2, 3, 4, 5, 6)}),
    11: ("Ping", ("agent", "relay"), {}),
    12: ("Pong", ("agent", "relay"), {}),
    13: ("Drain", ("relay",), {}),
    14: ("AuthValidate", ("validator",), {"tag": binary(16)}),
}


def read_message(sender: str, body: bytes) -> tuple[str, dict[str, Any]]:
    array = strict(body)
    check(type(array) is list and len(array) > 0)
    check(type(array[0]) is int and array[0] in MESSAGES)
    name, senders, fields = MESSAGES[array[0]]
    check(sender in senders and len(array) == 1 + len(fields))
    for item, allowed in zip(array[1:], fields.values(), strict=True):
        allowed(item)
    return name, dict(zip(fields, array[1:], strict=True))


def write_message(name: str, fields: dict[str, Any]) -> bytes:
    number = next(number for number, row in MESSAGES.items() if row[0] == name)
    return msgpack.packb([number, *(fields[field] for field in MESSAGES[number][2])])


# ---- 4: plaintexts -------------------------------------------------------------------------------

CONTEXT_FIELDS: dict[str, Check] = {
    "sign_on_id": binary(8),
    "agent_random": binary(32),
    "user": string(64),
    "host": string(128),
    "service": string(32),
    "remote_address": string(64),
    "remote_name": string(128),
    "tty": string(32),
    "agent_time": uint(64),
    "first_factor": string(32),
    "seconds_left": uint(16),
    "mode": one_of(0, 1, 2, 4, 5),
    "role": one_of(1, 2),
    "note": string(640),
    "last_success": uint(64),
    "failures": uint(16),
    "alert": string(160),
}
PLAINTEXTS: dict[str, tuple[int, dict[str, Check]]] = {
    "Context": (1536, CONTEXT_FIELDS),
    "Decision": (
        256,
        {
            "sign_on_id": binary(8),
            "verdict": one_of(1, 2, 3),
            "context_hash": binary(32),
            "validator_random": binary(32),
            "user_verification": one_of(0, 1, 2, 3),
            "passcode": string(16),
            "reason": string(64),
        },
    ),
    "Receipt": (
        256,
        {
            "sign_on_id": binary(8),
            "outcome": one_of(1, 2, 3, 4, 5),
            "next_generation": uint(32),
            "text": string(128),
        },
    ),
    "Confirm": (256, {"sign_on_id": binary(8)}),
    "EnrolRequest": (256, {"name": string(64)}),
    "EnrolAnswer": (512, {"host": string(128), "user": string(64), "agent_random": binary(32)}),
}
COMPARED = "passcode"
"""Not shown to anybody, so not cleaned."""
LEFT_OUT = "alert"
"""When it is empty."""


def clean(text: str) -> str:
    gone = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    return "".join(c for c in text if unicodedata.category(c) not in gone)


def read_plaintext(name: str, plaintext: bytes) -> dict[str, Any]:
    if name == "H1Payload":
        check(len(plaintext) == 16 and plaintext[8:] == bytes(8))
        cuts = {"generation": (0, 4), "caps": (4, 6), "app_version": (6, 8)}
        return {field: int.from_bytes(plaintext[a:b], "big") for field, (a, b) in cuts.items()}
    length, fields = PLAINTEXTS[name]
    check(len(plaintext) == length)
    end = 2 + int.from_bytes(plaintext[:2], "big")
    check(end <= length and not any(plaintext[end:]))
    found = strict(plaintext[2:end])
    check(type(found) is dict and found.get(0) == 1 and type(found[0]) is int)
    result = {}
    for key, (field, allowed) in enumerate(fields.items(), start=1):
        check(key in found or field == LEFT_OUT)
        item = found.get(key, "")
        allowed(item)
        result[field] = clean(item) if type(item) is str and field != COMPARED else item
    return result


def write_plaintext(name: str, fields: dict[str, Any]) -> bytes:
    if name == "H1Payload":
        numbers = (("generation", 4), ("caps", 2), ("app_version", 2))
        return b"".join(fields[f].to_bytes(n, "big") for f, n in numbers) + bytes(8)
    length, known = PLAINTEXTS[name]
    sent = {k: fields[f] for k, f in enumerate(known, start=1) if f != LEFT_OUT or fields[f]}
    body = msgpack.packb({0: 1, **sent})
    return frame(body).ljust(length, b"\0")


# ---- 3.5: Noise ----------------------------------------------------------------------------------


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def dh(private: bytes, peer: bytes) -> bytes:
    key = X25519PrivateKey.from_private_bytes(private)
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(peer))
    except ValueError:
        raise RefusedError from None


class Noise:
    """One side's h, ck, k and n."""

    def __init__(self, name: str, prologue_: bytes, *known: bytes) -> None:
        self.h = self.ck = name.encode().ljust(32, b"\0")
        self.k, self.n = b"", 0
        self.mix_hash(prologue_)
        for key in known:
            self.mix_hash(key)

    def mix_hash(self, data: bytes) -> None:
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key(self, data: bytes) -> None:
        keys = hkdf(self.ck, data, b"", 64)
        self.ck, self.k, self.n = keys[:32], keys[32:], 0

    def e(self, ephemeral: bytes) -> None:
        self.mix_hash(ephemeral)
        self.mix_key(ephemeral)

    def psk(self, psk: bytes) -> None:
        keys = hkdf(self.ck, psk, b"", 96)
        self.ck, self.k, self.n = keys[:32], keys[64:], 0
        self.mix_hash(keys[32:64])

    def seal(self, data: bytes) -> bytes:
        ciphertext = sealed(self.k, self.n, self.h, data)
        self.n += 1
        self.mix_hash(ciphertext)
        return ciphertext

    def open(self, ciphertext: bytes) -> bytes:
        data = opened(self.k, self.n, self.h, ciphertext)
        self.n += 1
        self.mix_hash(ciphertext)
        return data

    def split(self) -> tuple[bytes, bytes]:
        keys = hkdf(self.ck, b"", b"", 64)
        return keys[:32], keys[32:]


def nonce(n: int) -> bytes:
    return bytes(4) + n.to_bytes(8, "big")


def sealed(key: bytes, n: int, ad: bytes, data: bytes) -> bytes:
    return AESGCM(key).encrypt(nonce(n), data, ad)


def opened(key: bytes, n: int, ad: bytes, data: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce(n), data, ad)
    except InvalidTag:
        raise RefusedError from None


KK = "Noise_KKpsk0_25519_AESGCM_SHA256"
IK = "Noise_IKpsk1_25519_AESGCM_SHA256"

# ---- 5.4: the ratchet ----------------------------------------------------------------------------

Generation = tuple[int, bytes]


class Ratchet:
    """What an agent stores of a device, and the sign-ons that are open."""

    def __init__(self, first: Generation) -> None:
        self.current = first
        self.pending: Generation | None = None
        self.retired: list[Generation] = []
        self.opened: dict[str, tuple[Generation, list[Generation]]] = {}
        self.following: dict[str, Generation] = {}

    def live(self) -> list[Generation]:
        return [self.current] if self.pending is None else [self.current, self.pending]

    def retire(self, generation: Generation) -> None:
        self.retired = [generation, *self.retired][:8]

    def h1(self, sign_on: str, base: Generation) -> None:
        self.opened[sign_on] = base, self.live()

    def decision(self, sign_on: str, root: bytes) -> str:
        base, live_then = self.opened[sign_on]
        following = self.following[sign_on] = (base[0] + 1, root)
        if base in live_then and any(generation not in live_then for generation in self.live()):
            return "overtaken"
        if base == self.pending:
            self.retire(self.current)
            self.current = base
        elif base == self.current:
            if self.pending is not None:
                self.retire(self.pending)
        else:
            return "alarm"
        self.pending = following
        return "moved"

    def confirm(self, sign_on: str) -> None:
        if self.following[sign_on] == self.pending:
            self.retire(self.current)
            self.current, self.pending = self.pending, None


# ---- 6.1: the offer ------------------------------------------------------------------------------


def read_offer(uri: str) -> dict[str, Any]:
    text = "".join(c for c in uri if not c.isspace() and c != "-").lower()
    check(text.startswith("bartizan:"))
    code = text[len("bartizan:") :].upper()
    try:
        data = base64.b32decode(code + "=" * (-len(code) % 8))
    except ValueError:
        raise RefusedError from None
    body, checksum = data[:-4], data[-4:]
    check(hashlib.sha256(body).digest()[:4] == checksum)
    found = strict(body)
    check(type(found) is dict and found.get(0) == 1)
    fields = {
        "agent_public": binary(32),
        "secret": binary(32),
        "expires": uint(64),
        "shard": uint(8),
        "relays": relays,
        "host": string(128),
    }
    for key, allowed in enumerate(fields.values(), start=1):
        check(key in found)
        allowed(found[key])
    return {field: found[key] for key, field in enumerate(fields, start=1)}


def relays(item: Any) -> None:
    check(type(item) is list and 1 <= len(item) <= 4)
    for relay in item:
        string(96)(relay)


def write_offer(fields: dict[str, Any]) -> str:
    body = msgpack.packb({0: 1, **dict(enumerate(fields.values(), start=1))})
    return "bartizan:" + base32(body + hashlib.sha256(body).digest()[:4])
