"""shell. The agent's figures for Prometheus. Every outcome is there from the start, at 0.

Labels are outcome words, stages, and the relays of the configuration: sets that strangers cannot
make grow. No user, no host, no address of anybody.
"""

import contextlib
from typing import Final

from daemons.exposition import Family, counter, exposition, gauge
from pam_agent.explanations import ENROLMENTS
from pam_agent.outcomes import SignOnEnd
from pam_agent.overview import Overview
from pam_agent.schema import StoreError
from pam_agent.sign_ons import Kind, Stage
from pam_agent.store_figures import StoreFigures

_PREFIX: Final = "bartizan_agent"


class Metrics:
    """Of one agent, since it started."""

    def __init__(self, overview: Overview) -> None:
        self._overview: Final = overview
        self._agent: Final = overview.agent

    async def page(self) -> bytes:
        figures = None
        with contextlib.suppress(StoreError):  # store_up says so
            figures = await self._agent.host.accounts.figures()
        return exposition([*self._itself(), *self._sign_ons(), *self._relays(), *_store(figures)])

    def _itself(self) -> list[Family]:
        overview = self._overview
        refused = float(bool(self._agent.refused))
        return [
            gauge(
                f"{_PREFIX}_info", "The program's version.", [({"version": overview.version}, 1)]
            ),
            gauge(f"{_PREFIX}_start_time_seconds", "When it started.", [({}, overview.began)]),
            gauge(
                f"{_PREFIX}_configuration_refused",
                "Whether the last new configuration was refused.",
                [({}, refused)],
            ),
            counter(
                f"{_PREFIX}_log_dropped_total",
                "Lines of the log that nobody took.",
                [({}, overview.dropped())],
            ),
        ]

    def _sign_ons(self) -> list[Family]:
        host = self._agent.host
        sign_ons = host.sign_ons
        lasting = {name: policy.lease for name, policy in host.services.items()}
        ended, enrolled = sign_ons.ended[Kind.SIGN_ON], sign_ons.ended[Kind.ENROLMENT]
        return [
            counter(
                f"{_PREFIX}_sign_ons_total",
                "Sign-ons that ended, by outcome.",
                [({"outcome": end.value}, ended[end.value]) for end in SignOnEnd],
            ),
            counter(
                f"{_PREFIX}_enrolments_total",
                "Enrolments that ended, by outcome.",
                [({"outcome": str(word)}, enrolled[word]) for word in ENROLMENTS],
            ),
            gauge(
                f"{_PREFIX}_sign_ons",
                "Sign-ons under way, by stage.",
                [({"stage": stage.value}, sign_ons.at(stage)) for stage in Stage],
            ),
            gauge(
                f"{_PREFIX}_leases",
                "Leases that hold: who comes with one is let in without a device.",
                [({}, host.leases.holding(lasting, host.clock()))],
            ),
            gauge(f"{_PREFIX}_callers", "Connections of the PAM module.", [({}, len(host.calls))]),
            sign_ons.queued.family(
                f"{_PREFIX}_queue_seconds", "From the call to a relay that has queued it."
            ),
            sign_ons.decided.family(
                f"{_PREFIX}_decision_seconds", "From the passcode to a verified decision."
            ),
        ]

    def _relays(self) -> list[Family]:
        links = [({"relay": str(link.address)}, link) for link in self._agent.host.links]
        return [
            gauge(
                f"{_PREFIX}_relay_up",
                "Whether the link to a relay is up.",
                [(label, float(link.protocol.up)) for label, link in links],
            ),
            gauge(
                f"{_PREFIX}_relay_requests",
                "Requests at a relay.",
                [(label, link.requests) for label, link in links],
            ),
            counter(
                f"{_PREFIX}_relay_losses_total",
                "How often a link that was up was lost.",
                [(label, link.losses) for label, link in links],
            ),
        ]


def _store(figures: StoreFigures | None) -> list[Family]:
    """Without figures: that there are none."""
    answers = float(figures is not None)
    up = gauge(f"{_PREFIX}_store_up", "Whether the store answers.", [({}, answers)])
    if figures is None:
        return [up]
    return [
        up,
        gauge(
            f"{_PREFIX}_devices",
            "Devices, by how they stand.",
            [
                ({"state": "active"}, figures.active),
                ({"state": "disabled"}, figures.disabled),
                ({"state": "unproved"}, figures.unproved),
            ],
        ),
        gauge(f"{_PREFIX}_accounts", "Accounts with a device.", [({}, figures.accounts)]),
        gauge(
            f"{_PREFIX}_break_glass",
            "Accounts that sign on without a device for now.",
            [({}, figures.break_glass)],
        ),
        gauge(f"{_PREFIX}_store_bytes", "Size of the store's file.", [({}, figures.size)]),
    ]
