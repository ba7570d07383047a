/*
 * Strangers at a relay: as many connections a second as this machine can make, and what each of
 * them does. See attack.py.
 *
 *   attack PORT KIND SOURCES HOST MILLISECONDS MOST
 *
 * KIND is what a stranger does when it is connected:
 *
 *   idle      nothing
 *   trickle   a validator's opening, a byte a second
 *   tags      a whole opening with a random tag, and a first frame
 *   noise     random bytes
 *   halves    an opening that stops in the middle
 *   resets    resets the connection
 *   keys      for the agents' listener: Hello with a random key, and a wrong proof for the Challenge
 *
 * SOURCES addresses of 127.128.0.0/9 take turns, number HOST of as many /24s. At most as many
 * connections are open as this process may open files; then the oldest makes room for the next.
 * Ends after MILLISECONDS or MOST attempts and prints one line of JSON. Every connection that it
 * ends is reset, so that none is left in TIME_WAIT.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "wire.h"

enum {
    FIRST_NETWORK = 0x7f800000, /* 127.128.0.0/24 */
    MAX_HOST = 254,
    MAX_SOURCES = 1 << 15,
    BURST = 32,      /* connects between two looks at what has come */
    BATCH = 256,     /* events of one look */
    SPARE_FILES = 32,
    MAX_OPEN = 26000, /* below the 28,232 ports that one source has */
    KEY = 32,
    NONCE = 16,
    MAC = 16,
    ROOM = 256,
};

enum kind { IDLE, TRICKLE, TAGS, NOISE, HALVES, RESETS, KEYS };

struct stranger {
    int fd; /* -1 when there is none */
    uint8_t sent;
    bool connected;
};

static enum kind kind;
static struct sockaddr_in relay = {.sin_family = AF_INET};
static uint32_t sources, host;
static int epoll;
static struct stranger *strangers;
static size_t places, open_now, open_most;

/* put_out: by the relay, after they were connected. answered: Challenges. */
static uint64_t attempted, connected, put_out, answered, no_port;

/* ---- what they say -------------------------------------------------------------------------- */

static uint8_t pool[1 << 16];

/* Random bytes, drawn once: a system call for each connection would slow the attack down. */
static const uint8_t *some_random(size_t count) {
    static size_t at;
    static uint64_t turn;
    if (at + count > sizeof pool) {
        at = ++turn % 61; /* another cut of the same bytes: no tag comes twice for long */
        for (size_t i = 0; i < sizeof pool; i += sizeof turn) {
            uint64_t word;
            memcpy(&word, pool + i, sizeof word);
            word = word * 6364136223846793005u + turn;
            memcpy(pool + i, &word, sizeof word);
        }
    }
    at += count;
    return pool + at - count;
}

/* All that a stranger of this kind says at once; the number of bytes. */
static size_t words(uint8_t *out) {
    uint8_t *at = out;
    switch (kind) {
    case IDLE:
    case RESETS:
        break;
    case TRICKLE:
    case HALVES:
    case TAGS:
        at = put_opening(at, some_random(TAG));
        if (kind == HALVES) {
            at = out + OPENING / 2;
        } else {
            put_u16(at, H1);
            memcpy(at + PREFIX, some_random(H1), H1);
            at += PREFIX + H1;
        }
        break;
    case NOISE:
        memcpy(at, some_random(OPENING + H1), OPENING + H1);
        at += OPENING + H1;
        break;
    case KEYS:
        memcpy(at, PREFACE_BYTES, PREFACE);
        at += PREFACE + PREFIX;
        at = put_bin(put_head(at, 3, HELLO), some_random(KEY), KEY);
        at = put_bin(at, some_random(NONCE), NONCE);
        put_u16(out + PREFACE, (size_t)(at - out) - PREFACE - PREFIX);
        break;
    }
    return (size_t)(at - out);
}

static void answer(int fd) {
    uint8_t out[ROOM], *at = put_head(out + PREFIX, 2, ATTACH);
    at = put_bin(at, some_random(MAC), MAC);
    put_u16(out, (size_t)(at - out) - PREFIX);
    send(fd, out, (size_t)(at - out), MSG_NOSIGNAL);
    answered++;
}

/* ---- one stranger --------------------------------------------------------------------------- */

static void leave(struct stranger *stranger) {
    if (stranger->fd >= 0) {
        close(stranger->fd);
        stranger->fd = -1;
        open_now--;
    }
}

static void trickle(struct stranger *stranger) {
    uint8_t out[ROOM];
    words(out);
    if (send(stranger->fd, out + stranger->sent, 1, MSG_NOSIGNAL) == 1) {
        stranger->sent++;
    }
}

/* The connection is there. */
static void speak(struct stranger *stranger) {
    uint8_t out[ROOM];
    stranger->connected = true;
    connected++;
    if (kind == RESETS) {
        leave(stranger);
    } else if (kind == TRICKLE) {
        trickle(stranger);
    } else if (kind != IDLE) {
        send(stranger->fd, out, words(out), MSG_NOSIGNAL);
    }
}

static bool is_connected(int fd) {
    struct sockaddr_in peer;
    socklen_t size = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

/* One more, in the place of the oldest if there is no other. False: no port is left for now. */
static bool come(void) {
    struct stranger *stranger = &strangers[attempted % places];
    const uint32_t source = FIRST_NETWORK + (uint32_t)(attempted % sources << 8) + host;
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(source)}};
    const struct linger at_once = {.l_onoff = 1};
    const int one = 1;
    leave(stranger);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0 ||
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&from, sizeof from) != 0) {
        die("cannot make a socket: error %d", errno);
    }
    /* On loopback the handshake is over when this returns, unless the relay's queue is full. */
    if (connect(fd, (const struct sockaddr *)&relay, sizeof relay) != 0 && errno != EINPROGRESS) {
        if (errno == EADDRNOTAVAIL) {
            no_port++;
            close(fd);
            return false;
        }
        die("cannot connect: error %d", errno);
    }
    attempted++;
    *stranger = (struct stranger){.fd = fd};
    if (++open_now > open_most) {
        open_most = open_now;
    }
    if (is_connected(fd)) {
        speak(stranger);
    }
    if (stranger->fd >= 0) {
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
            .data = {.ptr = stranger},
        };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            die("cannot watch a socket: error %d", errno);
        }
    }
    return true;
}

static void happened(struct stranger *stranger, uint32_t events) {
    if (stranger->fd < 0) {
        return;
    }
    if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
        put_out += stranger->connected;
        leave(stranger);
        return;
    }
    if ((events & EPOLLOUT) && !stranger->connected) {
        speak(stranger);
    }
    if ((events & EPOLLIN) && stranger->fd >= 0) {
        uint8_t in[ROOM];
        if (recv(stranger->fd, in, sizeof in, 0) > 0 && kind == KEYS) {
            answer(stranger->fd);
        }
    }
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void look(int patience) {
    struct epoll_event events[BATCH];
    const int count = epoll_wait(epoll, events, BATCH, patience);
    for (int i = 0; i < count; i++) {
        happened(events[i].data.ptr, events[i].events);
    }
}

/* A byte of each for every second that has passed. */
static void trickle_all(uint64_t passed) {
    static uint64_t done;
    const uint64_t wanted = passed * places / 1000000000u;
    for (; done < wanted; done++) {
        struct stranger *stranger = &strangers[done % places];
        if (stranger->fd >= 0 && stranger->connected && stranger->sent < OPENING) {
            trickle(stranger);
        }
    }
}

static void attack(uint64_t nanoseconds, uint64_t most) {
    const uint64_t start = now_ns();
    uint64_t passed = 0;
    while (passed < nanoseconds) {
        bool room = attempted < most; /* else they stay to the end */
        for (int i = 0; i < BURST && room && attempted < most; i++) {
            room = come();
        }
        look(room ? 0 : 1);
        passed = now_ns() - start;
        if (kind == TRICKLE) {
            trickle_all(passed);
        }
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    const double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"attempted\":%" PRIu64 ",\"connected\":%" PRIu64 ",\"put_out\":%" PRIu64
           ",\"answered\":%" PRIu64 ",\"no_port\":%" PRIu64
           ",\"open_most\":%zu,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n",
           attempted, connected, put_out, answered, no_port, open_most, (double)passed / 1e9, cpu);
}

static enum kind kind_called(const char *name) {
    static const char *const names[] = {"idle",   "trickle", "tags", "noise",
                                        "halves", "resets",  "keys"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum kind)i;
        }
    }
    die("no such kind: %s", name);
}

static size_t files_to_open(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    const size_t most = (size_t)files.rlim_cur - SPARE_FILES;
    return most < MAX_OPEN ? most : MAX_OPEN;
}

int main(int count, char **arguments) {
    if (count != 7) {
        die("usage: attack PORT KIND SOURCES HOST MILLISECONDS MOST");
    }
    relay.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    relay.sin_port = htons((uint16_t)atoi(arguments[1]));
    kind = kind_called(arguments[2]);
    sources = (uint32_t)atoi(arguments[3]);
    host = (uint32_t)atoi(arguments[4]);
    if (sources < 1 || sources > MAX_SOURCES || host < 1 || host > MAX_HOST) {
        die("expected 1 to %d sources, and a host of 1 to %d", MAX_SOURCES, MAX_HOST);
    }
    places = files_to_open();
    strangers = calloc(places, sizeof *strangers);
    if (strangers == NULL || getrandom(pool, sizeof pool, 0) != sizeof pool) {
        die("no memory, or no random bytes");
    }
    for (size_t i = 0; i < places; i++) {
        strangers[i].fd = -1;
    }
    epoll = new_epoll();
    attack(strtoull(arguments[5], NULL, 10) * 1000000u, strtoull(arguments[6], NULL, 10));
    return 0;
}
