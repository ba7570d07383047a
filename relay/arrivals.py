"""pure. Connections behind a proxy: who has come is known when the proxy's header has been read.

Such a listener takes connections from its proxies only, and each begins with a header. Neither is
ever guessed, and until then nobody is counted.
"""

from typing import cast

from relay.admission import Admission
from relay.ends import Arrival, Link, Validator
from relay.peers import Peer
from relay.proxy_header import decode


def arrive(end: Link | Validator, admission: Admission, now: float) -> Arrival:
    """Go by what `end` has read so far. Raises ProtocolError.

    A proxy that speaks for itself is counted when it goes on to say something: if it only looks
    whether the relay is there, it must not be refused.
    """
    if end.arrival is Arrival.HEADER:
        header = decode(end.reader.unread)
        if header is None:
            return Arrival.HEADER
        end.reader.take(header.length)
        if header.address:
            end.peer = Peer(header.address, header.port)
        else:
            end.arrival = Arrival.LOCAL
    if end.arrival is Arrival.LOCAL and not end.reader.buffered:
        return Arrival.LOCAL
    visit = admission.admit(cast(Peer, end.peer), now)  # no proxy comes by a Unix socket
    if visit is None:
        end.arrival = Arrival.REFUSED
    else:
        end.arrival = Arrival.KNOWN
        end.visit = visit
    return end.arrival


def has_only_looked(end: Link | Validator) -> bool:
    """Whether a proxy has spoken for nobody so far, as for a health check."""
    return end.arrival in (Arrival.HEADER, Arrival.LOCAL) and not end.reader.buffered
