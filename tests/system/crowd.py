"""edge. A crowd at a relay: many sign-ons at once, each slow in every stage, by wire alone.

`python -m tests.system.crowd SOCKET PORT PLACES` plays until its standard input ends, then lets all
that have begun come to their end, and writes what became of them as one line of JSON. It is an
agent that comes back when its link ends, and queues again what waited, and it is all the devices.
"""

import json
import os
import random
import sys
from dataclasses import asdict, dataclass, field

import trio

from protocol.address import TcpAddress
from protocol.errors import ProtocolError
from protocol.messages import AuthRequest, Close, CloseReason, Data, Message, Paired, Queued
from tests.relay.real_ends import Agent, Validator, asking_for, connected, hello_by_uid

PAUSE = 0.8
"""Seconds at most between two stages."""
PATIENCE = 60.0
"""Seconds for any stage: longer than anybody should ever wait."""
LOST = (OSError, AssertionError, trio.BrokenResourceError, trio.ClosedResourceError)


@dataclass
class Figures:
    """`lost` are sign-ons that broke where only `links` lost may break them: in a transaction."""

    done: int = 0
    false: int = 0
    """Devices that were told of a success that the agent has not given, or has given another."""
    interrupted: int = 0
    again: int = 0
    """Devices that had to come again, as their relay went before it had paired them."""
    links: int = 0
    """Times that the agent's link ended."""
    stuck: int = 0
    slowest_end: float = 0.0
    """Seconds from the loss of a link to the end of what it interrupted, on both sides."""
    stages: dict[str, int] = field(default_factory=dict)
    """How many were in each when they last looked, at their fullest."""


class LinkLostError(Exception):
    """The agent's link ended while this request was in a transaction."""


class Request:
    """One that is queued, and what the agent hears of it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.tag = os.urandom(16)
        self.paired = False
        self.lost_at: float | None = None
        self.say, self.heard = trio.open_memory_channel[Message](64)
        self.granted = b""


class Host:
    """The agent's link, which comes back."""

    def __init__(self, path: str, figures: Figures) -> None:
        self.path = path
        self.figures = figures
        self.requests: dict[int, Request] = {}
        self.agent: Agent | None = None
        self.up = trio.Event()
        self._next = 0

    def new(self) -> Request:
        self._next += 1
        request = Request(self._next)
        self.requests[request.number] = request
        return request

    async def run(self) -> None:
        while True:
            try:
                stream = await trio.open_unix_socket(self.path)
            except OSError:
                await trio.sleep(0.1)
                continue
            async with stream:
                agent = Agent(stream)
                try:
                    await stream.send_all(hello_by_uid())
                    await agent.receive()
                    self.agent = agent
                    self.up.set()
                    for request in list(self.requests.values()):
                        await self.queue(request)
                    while True:
                        self._tell(await agent.receive())
                except (*LOST, ProtocolError):
                    self._lost()

    def _lost(self) -> None:
        self.agent = None
        self.up = trio.Event()
        self.figures.links += 1
        for request in list(self.requests.values()):
            if request.paired:
                request.lost_at = trio.current_time()
                del self.requests[request.number]
                request.say.close()

    def _tell(self, message: Message) -> None:
        request = self.requests.get(getattr(message, "request", 0))
        if request is not None:
            request.paired = request.paired or isinstance(message, Paired)
            request.say.send_nowait(message)

    async def queue(self, request: Request) -> None:
        await self.send(AuthRequest(request.number, b"sign-on.", 300, (request.tag,)))

    async def send(self, *messages: Message) -> None:
        """Into nothing while there is no link: what waits is queued again."""
        if self.agent is not None:
            try:
                await self.agent.send(*messages)
            except LOST:
                return


async def pause() -> None:
    await trio.sleep(random.random() * PAUSE)


async def heard(request: Request, kind: type[Message]) -> Message:
    """The next of that kind. Raises LinkLostError."""
    while True:
        try:
            message = await request.heard.receive()
        except trio.EndOfChannel:
            raise LinkLostError from None
        assert not isinstance(message, Close), f"the relay ended {request.number}: {message}"
        if isinstance(message, kind):
            return message


class Crowd:
    def __init__(self, path: str, port: int) -> None:
        self.figures = Figures()
        self.host = Host(path, self.figures)
        self.address = TcpAddress("127.0.0.1", port)
        self.over = False
        self._now: dict[str, int] = {}

    def stage(self, before: str, after: str) -> None:
        self._now[before] = self._now.get(before, 1) - 1
        self._now[after] = self._now.get(after, 0) + 1
        most = self.figures.stages
        most[after] = max(most.get(after, 0), self._now[after])

    async def place(self) -> None:
        """One sign-on after the other."""
        while not self.over:
            request = self.host.new()
            with trio.move_on_after(PATIENCE) as patience:
                await self._sign_on(request)
            self.host.requests.pop(request.number, None)
            if patience.cancelled_caught:
                self.figures.stuck += 1

    async def _sign_on(self, request: Request) -> None:
        await self.host.up.wait()
        self.stage("", "queueing")
        results: list[str] = []
        early = random.random() < 0.2
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._agent, request, early, results)
            if not early:
                await pause()
            await self._device(request, results)
        self.stage("queueing", "over")
        if sorted(results) == ["device done", "host done"]:
            self.figures.done += 1
        else:
            self.figures.interrupted += 1
        if request.lost_at is not None:
            took = trio.current_time() - request.lost_at
            self.figures.slowest_end = max(self.figures.slowest_end, took)

    async def _agent(self, request: Request, late: bool, results: list[str]) -> None:
        try:
            if late:
                await pause()  # its device has come before it
            await self.host.queue(request)
            await heard(request, Queued)
            self.stage("", "waiting")
            await heard(request, Paired)
            self.stage("waiting", "paired")
            first = await heard(request, Data)
            assert isinstance(first, Data)
            await pause()
            await self.host.send(Data(request.number, b"context of " + first.frame))
            self.stage("paired", "asked")
            decision = await heard(request, Data)
            assert isinstance(decision, Data)
            self.stage("asked", "decided")
            await pause()
            request.granted = b"receipt for " + decision.frame
            await self.host.send(
                Data(request.number, request.granted), Close(request.number, CloseReason.DONE)
            )
            self.stage("decided", "over")
            results.append("host done")
        except LinkLostError:
            results.append("host interrupted")

    async def _device(self, request: Request, results: list[str]) -> None:
        own = os.urandom(8)
        while True:
            try:
                async with connected(self.address) as user:
                    await self._talk(request, user, own)
                    results.append("device done")
                    return
            except LOST:
                if request.paired or request.lost_at is not None:
                    results.append("device interrupted")
                    return
            self.figures.again += 1
            await trio.sleep(0.3)

    async def _talk(self, request: Request, user: Validator, own: bytes) -> None:
        await pause()
        await user.stream.send_all(asking_for(request.tag))
        await pause()
        await user.send(own)
        if await user.receive() != b"context of " + own:
            self.figures.false += 1
        await pause()
        await user.send(b"yes " + own)
        receipt = await user.receive()
        if not request.granted or receipt != request.granted or own not in receipt:
            self.figures.false += 1


async def play(path: str, port: int, places: int) -> Figures:
    crowd = Crowd(path, port)
    async with trio.open_nursery() as links:
        links.start_soon(crowd.host.run)
        async with trio.open_nursery() as nursery:
            for _ in range(places):
                nursery.start_soon(crowd.place)
            print("playing", flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)
            crowd.over = True
        links.cancel_scope.cancel()
    return crowd.figures


def main() -> None:
    path, port, places = sys.argv[1:]
    print(json.dumps(asdict(trio.run(play, path, int(port), int(places)))))


if __name__ == "__main__":
    main()
