"""shell. A sign-on at a service that can show nothing: what is typed as the password is judged."""

from typing import Final

import trio

from pam_agent.call import Call
from pam_agent.conversation import SILENT_PROMPT
from pam_agent.dialogue import Dialogue
from pam_agent.joining import with_others
from pam_agent.local_wire import SecretPart
from pam_agent.outcomes import SignOnEnd
from pam_agent.pending import Leading
from pam_agent.service_policy import Secret, methods_for
from pam_agent.typed_code import judge

_PARTS: Final = {Secret.WHOLE: SecretPart.WHOLE, Secret.TAIL: SecretPart.TAIL}


async def sign_on_silently(call: Call, dialogue: Dialogue) -> SignOnEnd:
    """How it ends. Raises StoreError or ModuleGoneError."""
    typed = await typed_secret(call, dialogue)
    if typed is None:
        return SignOnEnd.EXPIRED
    call.mark("typed")
    return await _typed(call, typed) if typed else SignOnEnd.WRONG_CODE


async def typed_secret(call: Call, dialogue: Dialogue) -> str | None:
    """What of the password is for us, "" for nothing; None when it does not come in time.

    Where the first factor stands in front of it, the modules that follow have theirs after this.
    Raises ModuleGoneError.
    """
    with trio.move_on_after(call.policy.timers.validation):
        call.mark("asked")
        reply = await dialogue.secret(SILENT_PROMPT, _PARTS[call.policy.secret])
        return await reply.text()
    return None


async def _typed(call: Call, typed: str) -> SignOnEnd:
    host = call.host

    async def judged() -> SignOnEnd:
        own = await host.accounts.methods_of(call.account, call.start.service)
        return await judge(call, typed, methods_for(call.policy, own))

    async def waits(_leading: Leading) -> None:
        """Nothing can be shown."""

    return await with_others(call, call.lease_key(host.leases.mark(typed)), judged, waits)
