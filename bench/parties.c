/* Validators, and agents with a connection for each sign-on; see load.h. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"
#include "net.h"

enum {
    OK = 3,
    HELLO_LINE = 13 + 64 + 10 + 16 + 1, /* transit's first line */
    MAX_HELLO = HELLO_LINE + PREFIX + H1,
    FIRST_SOURCE = 0x7f400000, /* 127.64.0.0/10 */
    SOURCE_NETWORKS = 1 << 14, /* its /24s */
    HOSTS = 250,
};

const size_t FRAME_SIZE[FRAMES] = {H1, CONTEXT, DECISION, RECEIPT, CONFIRM};

static struct sockaddr_in relay = {.sin_family = AF_INET};

void set_port(uint16_t port) {
    relay.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    relay.sin_port = htons(port);
}

/*
 * Each connection comes from the next /24 of loopback, as users do: neither a relay's limit for one
 * source nor the number of ports of one address plays a part.
 */
static int connect_from_next_source(void) {
    static uint32_t count;
    const uint32_t network = count % SOURCE_NETWORKS, host = count / SOURCE_NETWORKS % HOSTS + 1;
    const uint32_t source = (uint32_t)FIRST_SOURCE + (network << 8) + host;
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(source)}};
    const int one = 1;
    count++;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&from, sizeof from) != 0) {
        die("cannot make a socket: error %d", errno);
    }
    /* On loopback the handshake is over when this returns, unless the relay's backlog is full. */
    if (connect(fd, (const struct sockaddr *)&relay, sizeof relay) != 0 && errno != EINPROGRESS) {
        die("cannot connect: error %d", errno);
    }
    return fd;
}

static void expect(struct party *party, uint8_t frame) {
    party->next = frame;
    party->have = 0;
    party->want = frame < FRAMES ? PREFIX + FRAME_SIZE[frame] : 1;
}

static void expect_ok(struct party *party, uint8_t frame) {
    expect(party, frame);
    party->awaits_ok = true;
    party->want = OK;
}

static uint8_t *put_frame(uint8_t *at, const struct sign_on *sign_on, uint8_t frame) {
    put_u16(at, FRAME_SIZE[frame]);
    fill_frame(at + PREFIX, FRAME_SIZE[frame], sign_on->number, frame);
    return at + PREFIX + FRAME_SIZE[frame];
}

static void send_frame(const struct party *party, uint8_t frame) {
    uint8_t out[PREFIX + CONTEXT];
    send_all(party->fd, out, (size_t)(put_frame(out, party->sign_on, frame) - out));
}

/* Transit's first line: a token of 64 characters, and a side of 16 that differs at the two ends. */
static uint8_t *put_line(uint8_t *at, const uint8_t *tag, char side) {
    char line[HELLO_LINE + 1], token[2 * TAG + 1];
    for (size_t i = 0; i < TAG; i++) {
        snprintf(token + 2 * i, 3, "%02x", tag[i]);
    }
    snprintf(line, sizeof line, "please relay %s%s for side %016x\n", token, token, side);
    memcpy(at, line, HELLO_LINE);
    return at + HELLO_LINE;
}

/* What an agent says first. */
static uint8_t *put_claim(uint8_t *at, const uint8_t *tag) {
    if (mode == TRANSIT) {
        return put_line(at, tag, 1);
    }
    memcpy(at, tag, TAG);
    return at + TAG;
}

static void start(struct party *party, struct sign_on *sign_on, bool is_agent) {
    party->kind = A_PARTY;
    party->is_agent = is_agent;
    party->awaits_ok = false;
    party->sign_on = sign_on;
    party->fd = connect_from_next_source();
}

void start_agent(struct sign_on *sign_on) {
    struct party *agent = &sign_on->agent;
    uint8_t out[HELLO_LINE];
    start(agent, sign_on, true);
    send_all(agent->fd, out, (size_t)(put_claim(out, sign_on->tag) - out));
    if (mode == TRANSIT) {
        expect_ok(agent, 0);
    } else {
        expect(agent, 0);
    }
    watch(epoll, agent->fd, agent);
}

void start_validator(struct sign_on *sign_on) {
    struct party *validator = &sign_on->validator;
    uint8_t out[MAX_HELLO], *at = out;
    sign_on->connected = now_ns();
    start(validator, sign_on, false);
    if (mode == TRANSIT) {
        at = put_line(at, sign_on->tag, 2);
        expect_ok(validator, 1);
    } else {
        if (mode == PAIRS) {
            memcpy(at, sign_on->tag, TAG);
            at += TAG;
        } else {
            at = put_opening(at, sign_on->tag);
        }
        at = put_frame(at, sign_on, 0);
        expect(validator, 1);
    }
    send_all(validator->fd, out, (size_t)(at - out));
    watch(epoll, validator->fd, validator);
}

static void close_party(struct party *party) {
    close(party->fd);
    party->fd = -1;
}

static void arrived(struct party *party) {
    struct sign_on *sign_on = party->sign_on;
    const uint8_t frame = party->next;
    if (party->awaits_ok) {
        if (memcmp(party->in, "ok\n", OK) != 0) {
            die("the relay did not say ok");
        }
        party->awaits_ok = false;
        if (!party->is_agent) {
            send_frame(party, 0);
        }
        expect(party, frame);
        return;
    }
    if (get_u16(party->in) != FRAME_SIZE[frame]) {
        die("frame %u of sign-on %u arrived with another length", frame, sign_on->number);
    }
    check_frame(party->in + PREFIX, FRAME_SIZE[frame], sign_on->number, frame);
    if (frame + 1 == FRAMES) {
        close_party(party); /* the agent has CONFIRM: the end */
        return;
    }
    send_frame(party, frame + 1);
    if (frame + 2 == FRAMES) {
        sign_on->told = now_ns();
    }
    expect(party, frame + 2 < FRAMES ? frame + 2 : FRAMES);
}

void party_readable(struct party *party) {
    if (party->fd < 0) {
        return; /* closed earlier in this batch of events */
    }
    const ssize_t count = recv(party->fd, party->in + party->have, party->want - party->have, 0);
    if (count < 0 && errno == EAGAIN) {
        return;
    }
    if (party->next == FRAMES && count == 0) {
        close_party(party);
        finished(party->sign_on);
    } else if (count <= 0 || party->next == FRAMES) {
        die("the connection of the %s of sign-on %u ended before frame %u, or went on after it",
            party->is_agent ? "agent" : "validator", party->sign_on->number, party->next);
    } else {
        party->have += (size_t)count;
        if (party->have == party->want) {
            arrived(party);
        }
    }
}

void open_background(void) {
    uint8_t tag[TAG], out[HELLO_LINE];
    random_tag(tag);
    send_all(connect_from_next_source(), out, (size_t)(put_claim(out, tag) - out));
}
