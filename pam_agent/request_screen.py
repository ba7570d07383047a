"""pure. What a terminal shows of a sign-on that waits, and whether something may be typed there.

It follows from the service and from what the relays have said, never from the user: whether there
is one of that name, a device of theirs or a method of their own is not to be seen.
"""

from dataclasses import dataclass

from pam_agent import conversation
from pam_agent.codes import method_of
from pam_agent.methods import Method
from pam_agent.service_policy import Display, ServicePolicy


@dataclass(frozen=True)
class Screen:
    """`texts` without waiting for a key, then `prompt`, which is answered; None for none."""

    texts: tuple[str, ...]
    prompt: str | None


def offered_codes(policy: ServicePolicy, *, trusted: bool, first_factor: bool) -> frozenset[Method]:
    """What may be typed at a prompt.

    Only to a program that is believed. A response only behind a first factor: wrong ones count
    against devices, and no outsider is to disable any.
    """
    if not trusted:
        return frozenset()
    possible = {Method.TOTP, Method.CODE} if first_factor else {Method.TOTP}
    return policy.methods & possible


def taken_codes(offered: frozenset[Method], allowed: frozenset[Method]) -> frozenset[Method]:
    """Those of them that count for an account whose methods are `allowed`, and a TOTP that was
    given to it alone."""
    return allowed & (offered | {Method.TOTP})


def is_judged(typed: str, offered: frozenset[Method], *, trusted: bool) -> bool:
    """Whether an answer is taken for a code; else it only goes on to wait for the device.

    A TOTP is one where none is offered, too, and for whoever types it: an account may have been
    given one, and that is not to be seen.
    """
    if not trusted or not typed:
        return False
    return bool(offered) or method_of(typed) is Method.TOTP


def screen(
    policy: ServicePolicy,
    host: str,
    passcode: str,
    sign_on_id: bytes,
    *,
    queued: bool,
    offered: frozenset[Method],
) -> Screen:
    """For a request that a relay has `queued`, or that only a code can answer."""
    seconds, tried = policy.timers.validation, Method.APPROVE in policy.methods
    if queued:
        text = conversation.request_text(host, passcode, sign_on_id, seconds)
        prompt = conversation.prompt_text(codes=bool(offered))
    elif Method.CODE in offered:
        text = conversation.respond_text(host, passcode, sign_on_id, seconds, tried=tried)
        prompt = conversation.CODE_PROMPT
    else:
        text = conversation.app_text(host, sign_on_id, tried=tried)
        return Screen((), f"{text}\n{conversation.APP_PROMPT}")
    qr = conversation.qr_texts(host, passcode) if policy.qr else ()
    if queued and policy.display is Display.INFO:
        return Screen((text, *qr), None)
    return Screen((text, *qr), prompt) if qr else Screen((), f"{text}\n{prompt}")


def joined_screen(policy: ServicePolicy, host: str, sign_on_id: bytes, first: bytes) -> Screen:
    """For one that waits with the sign-on `first`."""
    text = conversation.joined_text(host, sign_on_id, first)
    if policy.display is Display.INFO:
        return Screen((text,), None)
    return Screen((), f"{text}\n{conversation.JOINED_PROMPT}")
