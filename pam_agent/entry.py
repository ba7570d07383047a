"""shell. Before anybody is asked: who may ask, whose devices count, and who need not sign on."""

import structlog

from pam_agent.call import Call
from pam_agent.dialogue import Dialogue
from pam_agent.membership import is_required
from pam_agent.outcomes import SignOnEnd
from pam_agent.policy import may_ask
from pam_agent.service_policy import Display, Secret
from pam_agent.silent_signon import typed_secret

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def decided_at_once(call: Call, dialogue: Dialogue) -> SignOnEnd | None:
    """The end of a sign-on that nobody has to be asked about, or None.

    From here on `call` knows its account. Raises StoreError or ModuleGoneError.
    """
    host, caller, start = call.host, call.caller, call.start
    if not may_ask(caller.uid, caller.name, start.user, start.service, host.callers):
        return SignOnEnd.NOT_ALLOWED
    if not await is_required(call.policy, start.user):
        return SignOnEnd.NOT_REQUIRED
    if call.policy.display is Display.REFUSE:
        return SignOnEnd.NOT_SHOWN
    call.account = await host.accounts.resolve(start.user)
    return await _broken_glass(call, dialogue)


async def _broken_glass(call: Call, dialogue: Dialogue) -> SignOnEnd | None:
    """Break-glass stands for this factor only. Where no other is known to hold, it would let in
    whoever comes."""
    host, start = call.host, call.start
    found = await host.accounts.breakglass(call.account, host.wall_clock())
    if found is None:
        return None
    tail = call.policy.secret is Secret.TAIL
    if not (call.first_factor or tail):
        _log.warning(
            "break-glass not used",
            sign_on_id=call.short_id,
            user=start.user,
            service=start.service,
            reason="no first factor is known to have held",
            advice=f"if one has: set services.{start.service}.first_factor",
        )
        return None
    if tail and await typed_secret(call, dialogue) is None:
        return SignOnEnd.EXPIRED
    return SignOnEnd.BREAK_GLASS
