/*
 * No relay at all: an agent that validators connect to straight. It reads a validator's opening,
 * answers as an agent does, and closes after CONFIRM. What a relay delays a sign-on is measured
 * against this.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "wire.h"

enum { BATCH = 256, FIRST = OPENING + PREFIX + H1, ROOM = FIRST + PREFIX + CONTEXT };

struct connection {
    int fd;
    uint32_t number;
    uint8_t frame; /* number of the frame it waits for */
    size_t have;
    uint8_t in[ROOM];
};

static int epoll;

static void answer(struct connection *connection, size_t size) {
    uint8_t out[PREFIX + CONTEXT];
    put_u16(out, size);
    fill_frame(out + PREFIX, size, connection->number, connection->frame + 1);
    send_all(connection->fd, out, PREFIX + size);
    connection->frame += 2;
    connection->have = 0;
}

static void end(struct connection *connection) {
    close(connection->fd);
    free(connection);
}

static void readable(struct connection *connection) {
    const size_t want = connection->frame == 0 ? FIRST : PREFIX + DECISION;
    const ssize_t count = recv(connection->fd, connection->in + connection->have,
                               want - connection->have, 0);
    if (count < 0 && errno == EAGAIN) {
        return;
    }
    if (count <= 0) {
        end(connection);
        return;
    }
    connection->have += (size_t)count;
    if (connection->have < want) {
        return;
    }
    if (connection->frame == 0) {
        connection->number = get_u32(connection->in + OPENING + PREFIX);
        check_frame(connection->in + OPENING + PREFIX, H1, connection->number, 0);
        answer(connection, CONTEXT);
        return;
    }
    check_frame(connection->in + PREFIX, DECISION, connection->number, connection->frame);
    if (connection->frame == 2) {
        answer(connection, RECEIPT);
    } else {
        end(connection);
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
            if (events[i].data.ptr != NULL) {
                readable(events[i].data.ptr);
                continue;
            }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                struct connection *connection = calloc(1, sizeof *connection);
                if (connection == NULL) {
                    die("out of memory");
                }
                connection->fd = fd;
                watch(epoll, fd, connection);
            }
        }
    }
}
