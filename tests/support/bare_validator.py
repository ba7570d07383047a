"""A validator's connection without a validator: any bytes behind any tag."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from protocol import keys, messages
from protocol.frames import encode_frame, encode_preface
from protocol.keys import Mode
from protocol.messages import AuthValidate
from tests.support.patience import PATIENCE
from tests.support.phone import Phone
from tests.support.relay import RunningRelay

SHARD = 7


def tag_of(phone: Phone, passcode: str) -> bytes:
    """The tag of a sign-on that `phone` could approve."""
    p = keys.passcode_input(Mode.PASSCODE, passcode)
    return keys.tag(phone.record.rendezvous_root, p)


def opening(tag: bytes, *frames: bytes) -> bytes:
    """Preface, AuthValidate and frames, as a validator sends them."""
    asking = encode_frame(messages.encode(AuthValidate(tag)))
    return encode_preface(SHARD) + asking + b"".join(map(encode_frame, frames))


@asynccontextmanager
async def bare_validator(
    relay: RunningRelay, tag: bytes, *frames: bytes
) -> AsyncIterator[trio.SocketStream]:
    """A connection that asks for `tag` and sends `frames`, whatever they are."""
    address = relay.validators
    async with await trio.open_tcp_stream(address.host, address.port) as connection:
        await connection.send_all(opening(tag, *frames))
        yield connection


async def is_reset(connection: trio.SocketStream) -> None:
    """It ends by a reset, and not a byte came before."""
    with trio.fail_after(PATIENCE), pytest.raises(trio.BrokenResourceError):
        await connection.receive_some(1)
