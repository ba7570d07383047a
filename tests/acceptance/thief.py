"""Whoever stole the agent's whole database, and plays a validator with it."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from pam_agent.accounts import Accounts
from pam_agent.records import AgentIdentity, Device
from protocol import keys
from protocol.errors import ProtocolError
from protocol.keys import Mode
from protocol.noise import KKPSK0, Handshake, HandshakeKeys
from protocol.ratchet import Generation
from protocol.signon_messages import Decision, H1Payload, Verdict

Guess = Callable[["Thief", X25519PublicKey], bytes]
"""What to take for the one DH that needs the device's private key: `se`, with the agent's
ephemeral key."""


@dataclass(frozen=True)
class Loot:
    """Everything that is in the database about the agent and one device."""

    identity: AgentIdentity
    device: Device


async def steal(state: Path, copy: Path, account: str) -> Loot:
    """Copies the files of a running agent's store, and reads them all."""
    shutil.copytree(state, copy)
    async with Accounts.open(copy, time.time()) as accounts:
        (device,) = await accounts.devices(account)
        return Loot(await accounts.identity(), device)


class Thief:
    """The validator's side of one sign-on, with all that the agent knows of the device.

    It also knows passcode and sign-on id: it stands in front of the terminal.
    """

    def __init__(self, loot: Loot, passcode: str, base: Generation, guess: Guess) -> None:
        self.agent = loot.identity.static
        self.device_public = X25519PublicKey.from_public_bytes(loot.device.public)
        self.ephemeral = X25519PrivateKey.generate()
        self._guess = guess
        self._passcode = passcode
        self._base = base
        self._rendezvous_root = loot.device.rendezvous_root
        p = keys.passcode_input(Mode.PASSCODE, passcode)
        self.tag = keys.tag(self._rendezvous_root, p)
        self._noise = Handshake(
            KKPSK0,
            True,
            keys.prologue(Mode.PASSCODE, self.tag),
            HandshakeKeys(
                self,  # type: ignore[arg-type]
                self.agent.public_key().public_bytes_raw(),
                keys.psk(base.root, p),
                self.ephemeral,
            ),
        )

    # What Noise asks of a static private key

    def public_key(self) -> X25519PublicKey:
        return self.device_public

    def exchange(self, peer: X25519PublicKey) -> bytes:
        """`ss` is known to both sides, so the agent's half gives it. `se` is not."""
        if peer.public_bytes_raw() == self.agent.public_key().public_bytes_raw():
            return self.agent.exchange(self.device_public)
        return self._guess(self, peer)

    # What it sends

    def h1(self) -> bytes:
        message = self._noise.write(H1Payload(self._base.number).encode())
        return message + keys.m1mac(self._rendezvous_root, self.tag, message)

    def context(self, frame: bytes) -> bytes | None:
        """The plaintext of CONTEXT, if it opens."""
        try:
            return self._noise.read(frame)
        except ProtocolError:
            self._noise._void = False  # go on as if it had
            return None

    def decision(self, sign_on_id: bytes, context_hash: bytes) -> bytes:
        """An approval under the keys that follow from its guess."""
        send, _ = self._noise.split()
        decision = Decision(
            sign_on_id, Verdict.APPROVE, context_hash, bytes(32), passcode=self._passcode
        )
        return send.encrypt(b"", decision.encode())
