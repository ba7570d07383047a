/*
 * The obvious relay at its cheapest: each sign-on is two connections, which bring the same 16 byte
 * tag first. The second one is paired with the first, then bytes are copied both ways until one of
 * them ends. One process, one epoll set, no checks, no timers, no limits, no log.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "wire.h"

enum { BATCH = 256, BUCKETS = 1 << 17, COPY = 65536 };

struct connection {
    int fd; /* -1 when closed */
    struct connection *partner;
    struct connection *next; /* in its bucket while it waits, else in the list of free ones */
    uint8_t tag[TAG];
    size_t early_count; /* a validator was seen before its agent: what came behind its tag */
    uint8_t *early;
};

static int epoll;
static struct connection *waiting[BUCKETS];
static struct connection *unused;
/* Closed in this batch: an event later in the batch may still point to them. */
static struct connection *closed;

static struct connection *new_connection(int fd) {
    struct connection *made = unused;
    if (made != NULL) {
        unused = made->next;
    } else if ((made = malloc(sizeof *made)) == NULL) {
        die("out of memory");
    }
    made->fd = fd;
    made->partner = NULL;
    memset(made->tag, 0, TAG);
    made->early_count = 0;
    made->early = NULL;
    return made;
}

static struct connection **bucket_of(const uint8_t *tag) {
    return &waiting[get_u32(tag) % BUCKETS];
}

static void close_one(struct connection *connection) {
    close(connection->fd);
    free(connection->early);
    connection->fd = -1;
    connection->next = closed;
    closed = connection;
}

static void end(struct connection *connection) {
    if (connection->partner != NULL) {
        close_one(connection->partner);
    } else {
        struct connection **at = bucket_of(connection->tag);
        while (*at != NULL && *at != connection) {
            at = &(*at)->next;
        }
        if (*at != NULL) {
            *at = connection->next;
        }
    }
    close_one(connection);
}

static void keep(struct connection *connection, const uint8_t *bytes, size_t count) {
    connection->early = malloc(count);
    if (connection->early == NULL) {
        die("out of memory");
    }
    memcpy(connection->early, bytes, count);
    connection->early_count = count;
}

/* The first bytes: a tag, and what came behind it. */
static void introduce(struct connection *connection, const uint8_t *bytes, size_t count) {
    memcpy(connection->tag, bytes, TAG);
    bytes += TAG;
    count -= TAG;
    struct connection **at = bucket_of(connection->tag);
    while (*at != NULL && memcmp((*at)->tag, connection->tag, TAG) != 0) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        connection->next = NULL;
        *at = connection;
        if (count > 0) {
            keep(connection, bytes, count);
        }
        return;
    }
    struct connection *partner = *at;
    *at = partner->next;
    partner->partner = connection;
    connection->partner = partner;
    if (count > 0) {
        send_all(partner->fd, bytes, count);
    }
    if (partner->early_count > 0) {
        send_all(connection->fd, partner->early, partner->early_count);
    }
}

static void readable(struct connection *connection) {
    static uint8_t bytes[COPY];
    const ssize_t count = recv(connection->fd, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EAGAIN) {
        return;
    }
    if (count <= 0) {
        end(connection);
    } else if (connection->partner != NULL) {
        send_all(connection->partner->fd, bytes, (size_t)count);
    } else {
        introduce(connection, bytes, (size_t)count);
    }
}

static void accept_all(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *connection = new_connection(fd);
        readable(connection); /* the client speaks first: mostly its bytes are there */
        if (connection->fd >= 0) {
            watch(epoll, fd, connection);
        }
    }
}

int main(void) {
    const int listener = listen_on_loopback("relay");
    epoll = new_epoll();
    watch(epoll, listener, NULL);
    for (;;) {
        struct epoll_event events[BATCH];
        const int count = epoll_wait(epoll, events, BATCH, -1);
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == NULL) {
                accept_all(listener);
            } else if (connection->fd >= 0) {
                readable(connection);
            }
        }
        while (closed != NULL) {
            struct connection *next = closed->next;
            closed->next = unused;
            unused = closed;
            closed = next;
        }
    }
}
