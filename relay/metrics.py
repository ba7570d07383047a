"""shell. The relay's figures for Prometheus. Every outcome is there from the start, at 0.

Labels are outcome words and kinds: sets that nobody can make grow. No agent, no sign-on, nobody.
"""

from typing import Final

from daemons.exposition import Family, counter, exposition, gauge
from relay.outcomes import RequestOutcome
from relay.overview import Overview
from relay.standing import Sources, figures, strangers_ended

_PREFIX: Final = "bartizan_relay"


class Metrics:
    """Of one relay, since it started."""

    def __init__(self, overview: Overview) -> None:
        self._overview: Final = overview

    async def page(self) -> bytes:
        sources = await self._overview.penalties()
        return exposition(
            [*self._itself(), *self._ended(), *self._now(), *self._strangers(sources)]
        )

    def _itself(self) -> list[Family]:
        overview = self._overview
        plan = overview.relay.plan
        return [
            gauge(
                f"{_PREFIX}_info", "The program's version.", [({"version": overview.version}, 1)]
            ),
            gauge(f"{_PREFIX}_start_time_seconds", "When it started.", [({}, overview.began)]),
            gauge(
                f"{_PREFIX}_draining",
                "Whether it takes no requests, and is about to end.",
                [({}, float(overview.relay.draining))],
            ),
            gauge(
                f"{_PREFIX}_agents_known",
                "Link keys of agents that may attach by TCP.",
                [({}, len(plan.agents))],
            ),
            gauge(
                f"{_PREFIX}_configuration_refused",
                "Whether the last new configuration was refused.",
                [({}, float(bool(overview.relay.reloads.refused)))],
            ),
            gauge(
                f"{_PREFIX}_limits_lowered",
                "Limits that gave way to the limit of open files.",
                [({}, len(plan.lowered))],
            ),
            counter(
                f"{_PREFIX}_log_dropped_total",
                "Lines of the log that nobody took.",
                [({}, overview.book.dropped)],
            ),
        ]

    def _ended(self) -> list[Family]:
        tally, broker = self._overview.relay.tally, self._overview.relay.broker
        ended = strangers_ended(tally, broker)
        return [
            counter(
                f"{_PREFIX}_requests_total",
                "Requests that ended, by outcome.",
                [({"outcome": x.value}, tally.requests[x.value]) for x in RequestOutcome],
            ),
            counter(
                f"{_PREFIX}_validators_total",
                "Validators' connections that ended outside of a transaction, by outcome.",
                [({"outcome": word}, count) for word, count in ended.validators.items()],
            ),
            counter(
                f"{_PREFIX}_links_total",
                "Agents' links that ended, by outcome.",
                [({"outcome": word}, count) for word, count in ended.links.items()],
            ),
            counter(
                f"{_PREFIX}_no_descriptor_total",
                "Connections for which no descriptor was left.",
                [({}, ended.no_descriptor)],
            ),
        ]

    def _now(self) -> list[Family]:
        relay = self._overview.relay
        now, limits = figures(relay.broker), relay.plan.limits
        known = {
            "incomplete": ("Validators that have not said what they want.", limits.incomplete),
            "held": ("Validators that wait for a request or a reset.", limits.held),
            "links": ("Agents' links that are attached.", limits.links),
        }
        requests = [({"stage": "waiting"}, now.waiting), ({"stage": "running"}, now.running)]
        most = [
            ({"of": "requests"}, limits.requests),
            ({"of": "transactions"}, limits.transactions),
            *(({"of": name}, limit) for name, (_, limit) in known.items()),
        ]
        return [
            gauge(f"{_PREFIX}_requests", "Requests, by stage.", requests),
            *(
                gauge(f"{_PREFIX}_{name}", text, [({}, getattr(now, name))])
                for name, (text, _) in known.items()
            ),
            gauge(
                f"{_PREFIX}_links_setting_up",
                "Agents' links that are not attached yet.",
                [({}, now.setting_up)],
            ),
            gauge(f"{_PREFIX}_limit", "How many there may be, by limit.", most),
        ]

    def _strangers(self, sources: Sources) -> list[Family]:
        return [
            gauge(
                f"{_PREFIX}_sources_refused",
                "Sources that owe so much that newcomers of theirs are refused.",
                [({}, sources.refused)],
            ),
            gauge(
                f"{_PREFIX}_networks_refused", "The same for networks.", [({}, sources.networks)]
            ),
            gauge(
                f"{_PREFIX}_crowd",
                "Whether so many strangers come that who owes anything is refused.",
                [({}, float(self._overview.crowd))],
            ),
        ]
