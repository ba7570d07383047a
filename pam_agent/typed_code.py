"""shell. What a user has typed, judged: the right code, a wrong one, or none at all."""

from collections.abc import Mapping
from typing import Final

from pam_agent import codes
from pam_agent.call import Call
from pam_agent.code_store import Judged
from pam_agent.codes import CodeVerdict
from pam_agent.methods import Method
from pam_agent.outcomes import SignOnEnd
from pam_agent.session import tell_disabled

_RIGHT: Final[Mapping[Method, SignOnEnd]] = {
    Method.CODE: SignOnEnd.CODE,
    Method.TICKET: SignOnEnd.TICKET,
    Method.TOTP: SignOnEnd.TOTP,
}
_NOT_RIGHT: Final[Mapping[CodeVerdict, SignOnEnd]] = {
    CodeVerdict.WRONG: SignOnEnd.WRONG_CODE,
    CodeVerdict.REPLAYED: SignOnEnd.REPLAYED,
    CodeVerdict.THROTTLED: SignOnEnd.THROTTLED,
}


async def judge(
    call: Call, typed: str, allowed: frozenset[Method], passcode: str = ""
) -> SignOnEnd:
    """The end that `typed` leads to; `allowed` are the account's methods here. Raises StoreError.

    `passcode` is the one that was shown, for CODE. It is judged once at most, so that wrong codes
    and passcodes are as many.
    """
    method = codes.method_of(typed)
    if method is None or method not in allowed:
        return SignOnEnd.WRONG_CODE
    judged = await _judged(call, method, typed, passcode)
    call.mark("judged")
    for device in judged.disabled:
        tell_disabled(call.host, device)
    if judged.verdict is not CodeVerdict.RIGHT:
        return _NOT_RIGHT[judged.verdict]
    call.device = judged.device
    return _RIGHT[method]


async def _judged(call: Call, method: Method, typed: str, passcode: str) -> Judged:
    host, start = call.host, call.start
    now = host.wall_clock()
    if method is Method.TICKET:
        return await host.codes.judge_ticket(
            call.account, start.service, start.rhost, typed, host.clock(), now
        )
    if method is Method.TOTP:
        return await host.codes.judge_totp(call.account, start.rhost, typed, host.clock(), now)
    return await host.codes.judge_response(call.account, passcode, typed, now)
