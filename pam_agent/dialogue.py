"""shell. What the program that called PAM shows to its user, and what the user answers."""

from collections import deque
from typing import Final

import trio

from pam_agent.local_socket import Module, ModuleGoneError
from pam_agent.local_wire import RecordType, Result, SecretPart
from pam_agent.outcomes import SignOnEnd
from protocol.errors import ProtocolError


class Reply:
    """The answer to one question, once it has come."""

    def __init__(self) -> None:
        self._came: Final = trio.Event()
        self._text = ""

    def come(self, text: str) -> None:
        self._text = text
        self._came.set()

    async def text(self) -> str:
        """Waits for it. The user may have answered with nothing."""
        await self._came.wait()
        return self._text


class Dialogue:
    """The module does one thing after the other, so its answers come in the order of questions."""

    def __init__(self, module: Module) -> None:
        self._module: Final = module
        self._open: Final[deque[Reply]] = deque()

    async def watch(self) -> SignOnEnd:
        """Takes answers until the caller does what ends the sign-on, and says how it ends."""
        try:
            while True:
                kind, answer = await self._module.receive()
                if kind is not RecordType.ANSWER:
                    return SignOnEnd.CONVERSATION_FAILED
                if self._open:
                    self._open.popleft().come(answer.decode(errors="replace"))
        except (ModuleGoneError, ProtocolError):
            return SignOnEnd.CANCELLED

    async def show(self, *texts: str) -> None:
        """Each as PAM_TEXT_INFO. Raises ModuleGoneError."""
        for text in texts:
            await self._module.show(text)

    async def prompt(self, text: str) -> Reply:
        """As PAM_PROMPT_ECHO_ON. Raises ModuleGoneError."""
        reply = self._asked()
        await self._module.prompt(text)
        return reply

    async def secret(self, text: str, part: SecretPart) -> Reply:
        """As PAM_PROMPT_ECHO_OFF. Raises ModuleGoneError."""
        reply = self._asked()
        await self._module.secret(text, part)
        return reply

    async def end(self, text: str, result: Result) -> None:
        """Raises ModuleGoneError."""
        await self._module.end(text, result)

    def _asked(self) -> Reply:
        reply = Reply()
        self._open.append(reply)
        return reply
