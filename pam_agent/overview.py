"""shell. What a running agent says of itself: to `status`, to `why`."""

from typing import Final

from daemons.troubles import Troubles
from pam_agent.admin_wire import RelayStatus, Reply, ShowStatus, Status, Unknown, Why
from pam_agent.agent import Agent
from pam_agent.relay_link import RelayLink
from pam_agent.schema import StoreError
from pam_agent.sign_ons import Kind, Stage
from pam_agent.store_figures import StoreFigures


class Overview:
    """Of one agent, since it started."""

    def __init__(self, agent: Agent, troubles: Troubles, version: str) -> None:
        self._agent: Final = agent
        self._troubles: Final = troubles
        self._version: Final = version
        self._began: Final = agent.host.wall_clock()

    async def answer(self, request: ShowStatus | Why) -> list[Reply]:
        if isinstance(request, Why):
            return [self._why(request.sign_on_id)]
        relays = [self._relay(link) for link in self._agent.host.links]
        return [await self._status(), *relays, *self._troubles]

    def _why(self, sign_on_id: str) -> Reply:
        host = self._agent.host
        now = host.clock()
        story = host.sign_ons.find(sign_on_id, now)
        return story or Unknown(self._began, host.sign_ons.remembered(now))

    async def _status(self) -> Status:
        agent, host = self._agent, self._agent.host
        figures, trouble = StoreFigures(), ""
        try:
            figures = await host.accounts.figures()
        except StoreError as error:
            trouble = str(error)
        return Status(
            version=self._version,
            host=host.label,
            began=self._began,
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
        )

    def _relay(self, link: RelayLink) -> RelayStatus:
        host = self._agent.host
        since = host.wall_clock() - (host.clock() - link.since)
        up = link.protocol.up
        return RelayStatus(str(link.address), up, since, link.requests, link.losses, link.trouble)
