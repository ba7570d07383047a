"""shell. What a running relay says of itself: to `status` and `top`, to `why`."""

import time
from typing import Final

import trio

from daemons.logs import Book
from daemons.release import VERSION
from protocol.address import written
from protocol.sign_on_id import display
from relay import admin_wire
from relay.admin_wire import AgentLine, Listening, Penalty, Reply, Status, Unknown, Waiting, Why
from relay.listeners import address_of
from relay.records import RequestEnded
from relay.server import Relay
from relay.standing import AgentFigures, Sources, agent_figures, figures, strangers_ended

MAX_PENALTIES: Final = 16
"""Networks named, those with the most sources under penalty: what fits on a screen."""


class Overview:
    """Of one relay, since it started."""

    def __init__(self, relay: Relay, book: Book) -> None:
        self.relay: Final = relay
        self.book: Final = book
        self.version: Final = VERSION
        self.began: Final = time.time()

    async def status(self) -> list[Reply]:
        relay, broker = self.relay, self.relay.broker
        penalties = await self.penalties()
        agents = await self.agents()
        now, ended = figures(broker), strangers_ended(relay.tally, broker)
        status = Status(
            version=self.version,
            began=self.began,
            draining=relay.draining,
            waiting=now.waiting,
            running=now.running,
            held=now.held,
            incomplete=now.incomplete,
            links=now.links,
            setting_up=now.setting_up,
            requests_ended={word: n for word, n in relay.tally.requests.items() if n},
            validators_ended={word: count for word, count in ended.validators.items() if count},
            links_ended={word: count for word, count in ended.links.items() if count},
            no_descriptor=ended.no_descriptor,
            sources=penalties.refused,
            networks=penalties.networks,
            crowd=self.crowd,
            keys=len(relay.plan.agents),
            lowered=dict(relay.plan.lowered),
            refused=relay.reloads.refused,
        )
        lead = time.time() - trio.current_time()
        return [
            status,
            *self.listening(),
            *(
                AgentLine(each.agent, each.source, each.since + lead, each.waiting, each.running)
                for each in agents
            ),
            *(Penalty(*each) for each in penalties.by_network.most_common(MAX_PENALTIES)),
            *self.book.troubles,
        ]

    def listening(self) -> list[Reply]:
        return [
            Listening(
                "validators" if each.trusted is None else "agents",
                # The port filled in where 0 was asked for.
                written(address_of(each.socket)),
                bool(each.proxies),
            )
            for each in self.relay.listeners
        ]

    @property
    def crowd(self) -> bool:
        broker, now = self.relay.broker, trio.current_time()
        admissions = (broker.door.admission, broker.links.admission)
        return any(admission.is_crowded(now) for admission in admissions)

    async def penalties(self) -> Sources:
        """Looked at in portions: the data plane has its turn between two."""
        sources = Sources(self.relay.broker)
        for _ in sources.count(trio.current_time()):
            await trio.lowlevel.checkpoint()
        return sources

    async def agents(self) -> list[AgentFigures]:
        """The attached links, those with the most requests first."""
        found: list[AgentFigures] = []
        for link in list(self.relay.broker.links):
            known = agent_figures(link)
            if known is not None:
                found.append(known)
            await trio.lowlevel.checkpoint()
        return sorted(found, key=lambda each: (-each.running - each.waiting, each.agent))

    async def why(self, request: Why) -> list[Reply]:
        sign_on_id = request.sign_on_id
        found: list[Reply] = [_ended(record) for record in self.relay.tally.find(sign_on_id)]
        for link in list(self.relay.broker.links):
            for each in link.requests.values():
                if display(each.sign_on_id) == sign_on_id:
                    now, paired = trio.current_time(), each.transaction
                    started = now if paired is None else paired.started
                    ran = -1.0 if paired is None else now - started
                    waited = started - each.queued_at
                    found.append(Waiting(sign_on_id, link.agent, waited, ran, each.rejects))
            await trio.lowlevel.checkpoint()
        tally = self.relay.tally
        return found or [Unknown(self.began, tally.remembered, tally.forgotten)]


def _ended(record: RequestEnded) -> admin_wire.Ended:
    return admin_wire.Ended(
        record.sign_on_id,
        record.outcome,
        record.time,
        record.agent,
        record.source,
        record.waited,
        record.ran,
        record.frames_in,
        record.frames_out,
        record.rejects,
    )
