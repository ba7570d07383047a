"""shell. What a running agent says of itself: to `status`, to `why`."""

from collections.abc import Callable
from typing import Final

from daemons.release import VERSION
from daemons.troubles import Troubles
from pam_agent.admin_wire import RelayStatus, Reply, ShowStatus, Status, Unknown, Why
from pam_agent.agent import Agent
from pam_agent.relay_link import RelayLink
from pam_agent.schema import StoreError
from pam_agent.sign_ons import Kind, Stage
from pam_agent.store_figures import StoreFigures


class Overview:
    """Of one agent, since it started."""

    def __init__(self, agent: Agent, troubles: Troubles, dropped: Callable[[], int]) -> None:
        """`troubles` are the log's, `dropped` gives its lost lines."""
        self.agent: Final = agent
        self.troubles: Final = troubles
        self.dropped: Final = dropped
        self.version: Final = VERSION
        self.began: Final = agent.host.wall_clock()

    async def answer(self, request: ShowStatus | Why) -> list[Reply]:
        if isinstance(request, Why):
            return [self._why(request.sign_on_id)]
        relays = [self._relay(link) for link in self.agent.host.links]
        return [await self._status(), *relays, *self.troubles]

    def _why(self, sign_on_id: str) -> Reply:
        host = self.agent.host
        now = host.clock()
        story = host.sign_ons.find(sign_on_id, now)
        return story or Unknown(self.began, host.sign_ons.remembered(now))

    async def _status(self) -> Status:
        agent, host = self.agent, self.agent.host
        figures, trouble = StoreFigures(), ""
        try:
            figures = await host.accounts.figures()
        except StoreError as error:
            trouble = str(error)
        return Status(
            version=self.version,
            host=host.label,
            began=self.began,
            queueing=host.sign_ons.at(Stage.QUEUEING),
            waiting=host.sign_ons.at(Stage.WAITING),
            running=host.sign_ons.at(Stage.RUNNING),
            callers=len(host.calls),
            sign_ons=dict(host.sign_ons.ended[Kind.SIGN_ON]),
            enrolments=dict(host.sign_ons.ended[Kind.ENROLMENT]),
            accounts=figures.accounts,
            devices={
                "active": figures.active,
                "disabled": figures.disabled,
                "not proved": figures.unproved,
            },
            store=str(agent.config.state),
            store_bytes=figures.size,
            store_trouble=trouble,
            refused=agent.refused,
            sealed=host.accounts.store.sealed,
            break_glass=figures.break_glass,
        )

    def _relay(self, link: RelayLink) -> RelayStatus:
        host = self.agent.host
        since = host.wall_clock() - (host.clock() - link.since)
        up = link.protocol.up
        return RelayStatus(str(link.address), up, since, link.requests, link.losses, link.trouble)
