"""edge. The limit of Python itself: floor_links.c once more, in as few bytecodes as we know how.

The wire of agents' links and validators, paired and forwarded: no checks, no authentication, no
deadlines, no limits, no log, one function for each side. What a relay in Python with all of that
costs above this can be worked on; this, only by another language.
"""

import select
import socket
from typing import Final

BATCH: Final = 256
READ: Final = 65536
VALIDATOR_READ: Final = 4096
PREFACE: Final = 6
OPENING: Final = 28
"""Preface and AuthValidate, whose last 16 bytes are the tag."""
TAG: Final = 16
HELLO, AUTH_REQUEST, DATA, CLOSE = 0, 4, 8, 10
LONG_NUMBER, BIN_16 = 0xCE, 0xC5
ATTACHED: Final = b"\x00\x08\x93\x03\xcd\x04\x00\xcd\x02\x58"


class Link:
    """`requests`: by the bytes of a request's number, its validator once it has come.

    `at` is where the next bytes begin: behind the preface, then at 0.
    """

    __slots__ = ("at", "out", "recv", "requests", "rest", "send", "socket")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.recv, self.send = sock.recv, sock.send
        self.at = PREFACE
        self.rest = b""
        self.out: list[bytes] = []
        self.requests: dict[bytes, Validator | None] = {}


class Validator:
    """`link` is None until the tag has come; `head` is how its Data messages begin."""

    __slots__ = ("address", "descriptor", "head", "link", "recv", "send", "socket", "tag")

    def __init__(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self.socket = sock
        self.descriptor = sock.fileno()
        self.address = address
        self.recv, self.send = sock.recv, sock.send
        self.link: Link | None = None
        self.head = self.tag = b""


waiting: dict[bytes, tuple[Link, bytes]] = {}
ends: dict[int, Link | Validator] = {}
dirty: set[Link] = set()
epoll = select.epoll()


def link_readable(link: Link) -> None:
    data = link.rest + link.recv(READ)
    requests = link.requests
    at, size = link.at, len(data)
    while size - at > 1:
        end = at + 2 + (data[at] << 8 | data[at + 1])
        if end > size:
            break
        kind = data[at + 3]
        fields = at + (9 if data[at + 4] == LONG_NUMBER else 7)
        number = data[at + 4 : fields]
        if kind == DATA:
            validator = requests[number]
            assert validator is not None
            if data[fields] == BIN_16:  # its last two bytes are the frame's prefix
                validator.send(data[fields + 1 : end])
            else:
                validator.send(b"\x00" + data[fields + 1 : end])
        elif kind == AUTH_REQUEST:
            waiting[data[end - TAG : end]] = (link, number)
            requests[number] = None
            link.out.append(b"\x00%c\x92\x05%b" % (len(number) + 2, number))
            dirty.add(link)
        elif kind == CLOSE:
            validator = requests.pop(number)
            assert validator is not None
            del ends[validator.descriptor]
            del waiting[validator.tag]
            validator.socket.close()
        elif kind == HELLO:
            link.out.append(ATTACHED)
            dirty.add(link)
        at = end
    link.at = 0
    link.rest = data[at:]


def validator_readable(validator: Validator) -> None:
    try:
        data = validator.recv(VALIDATOR_READ)
    except BlockingIOError:
        return
    link = validator.link
    if link is None:
        validator.tag = tag = data[OPENING - TAG : OPENING]
        validator.link, number = link, _ = waiting[tag]
        link.requests[number] = validator
        validator.head = b"\x93\x08" + number
        address = b"%b:%d" % (validator.address[0].encode(), validator.address[1])
        body = b"\x94\x07%b\x00%c%b" % (number, 0xA0 | len(address), address)
        link.out.append(len(body).to_bytes(2, "big") + body)
        data = data[OPENING:]
    # A frame comes whole and alone: these peers see to it. Its prefix fits into the bin header.
    short = data[0] == 0
    body = validator.head + (b"\xc4" + data[1:] if short else b"\xc5" + data)
    link.out.append(len(body).to_bytes(2, "big") + body)
    dirty.add(link)


def accept_links(listener: socket.socket) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        ends[sock.fileno()] = Link(sock)
        epoll.register(sock.fileno(), select.EPOLLIN)


def accept_validators(listener: socket.socket) -> None:
    while True:
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        validator = Validator(sock, address)
        ends[validator.descriptor] = validator
        validator_readable(validator)
        epoll.register(validator.descriptor, select.EPOLLIN)


def listen(name: str) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    epoll.register(listener.fileno(), select.EPOLLIN)
    print(name, listener.getsockname()[1], flush=True)
    return listener


def main() -> None:
    agents, validators = listen("agents"), listen("validators")
    for_agents, for_validators = agents.fileno(), validators.fileno()
    find, poll = ends.get, epoll.poll
    while True:
        for descriptor, _ in poll(-1, BATCH):
            end = find(descriptor)
            if end.__class__ is Validator:
                validator_readable(end)
            elif end.__class__ is Link:
                link_readable(end)
            elif descriptor == for_validators:
                accept_validators(validators)
            elif descriptor == for_agents:
                accept_links(agents)
        for link in dirty:
            link.send(b"".join(link.out))
            link.out.clear()
        dirty.clear()


if __name__ == "__main__":
    main()
