"""shell. What an operator has of a running relay: its admin socket, and its figures.

Neither is worth a relay: where it cannot listen for them, it says so and relays all the same.
"""

import structlog
import trio

from daemons.logs import Book
from daemons.metrics_page import metrics_listener, serve_metrics
from daemons.unix_listener import ListenError
from relay.admin import serve_admin
from relay.metrics import Metrics
from relay.overview import Overview
from relay.server import Relay

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def oversee(
    relay: Relay, book: Book, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Until cancelled."""
    overview = Overview(relay, book)
    async with trio.open_nursery() as nursery:
        if relay.plan.admin_socket is not None:
            try:
                await nursery.start(serve_admin, overview, relay.plan.admin_socket)
            except ListenError as error:
                _log.warning("no admin socket", reason=str(error), advice="admin_socket")
        try:
            await nursery.start(_serve_metrics, overview)
        except ListenError as error:
            _log.warning("no metrics", reason=str(error), advice="metrics.listen")
        task_status.started()


async def _serve_metrics(
    overview: Overview, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    async with metrics_listener(overview.relay.plan.metrics) as listener:
        task_status.started()
        if listener is not None:
            await serve_metrics(listener, Metrics(overview).page)
