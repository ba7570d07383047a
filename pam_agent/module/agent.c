/* shell. The stream to the agent, see agent.h. */

#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
    US_PER_MS = 1000,
    FIRST_FREE_DESCRIPTOR = 3,
};

struct timespec agent_deadline(unsigned seconds) {
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += (time_t)seconds;
    return deadline;
}

/* Whole milliseconds until the deadline, rounded up; 0 when it is over. */
static int milliseconds_left(const struct timespec *deadline) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const long long seconds = (long long)deadline->tv_sec - now.tv_sec;
    const long long nanoseconds = seconds * MS_PER_S * NS_PER_MS + deadline->tv_nsec - now.tv_nsec;
    if (nanoseconds <= 0) {
        return 0;
    }
    return (int)((nanoseconds + NS_PER_MS - 1) / NS_PER_MS); /* an hour at most: fits */
}

/* A stream socket that no later exec inherits, or -1. */
static int open_socket(void) {
    const int opened = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (opened < 0 || opened >= FIRST_FREE_DESCRIPTOR) {
        return opened;
    }
    /* The process began without stdin, stdout or stderr: what it prints must not reach the agent. */
    const int moved = fcntl(opened, F_DUPFD_CLOEXEC, FIRST_FREE_DESCRIPTOR);
    const int why = errno;
    close(opened);
    errno = why;
    return moved;
}

enum agent_status agent_connect(struct agent *agent, const char *path, struct timespec deadline) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t length = strnlen(path, sizeof(address.sun_path));
    agent->deadline = deadline;
    agent->socket = -1;
    if (length == sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return AGENT_UNREACHABLE;
    }
    memcpy(address.sun_path, path, length);
    agent->socket = open_socket();
    if (agent->socket < 0) {
        return AGENT_UNREACHABLE;
    }
    for (;;) {
        /*
         * With the agent's backlog full, a non-blocking connect fails at once and poll() cannot
         * wait for it. A blocking one waits, and the send timeout bounds it.
         */
        const int left = milliseconds_left(&deadline);
        const struct timeval limit = {.tv_sec = left / MS_PER_S,
                                      .tv_usec = left % MS_PER_S * US_PER_MS};
        if (left == 0) {
            return AGENT_LATE;
        }
        if (setsockopt(agent->socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) {
            return AGENT_UNREACHABLE;
        }
        if (connect(agent->socket, (const struct sockaddr *)&address, sizeof address) == 0) {
            return AGENT_OK;
        }
        if (errno == ENOENT || errno == ECONNREFUSED) {
            return AGENT_ABSENT;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return AGENT_UNREACHABLE;
        }
    }
}

/* Waits until the socket has one of `events`, hung up, or the deadline is over. */
static enum agent_status wait_for(const struct agent *agent, short events) {
    struct pollfd ready = {.fd = agent->socket, .events = events};
    for (;;) {
        const int left = milliseconds_left(&agent->deadline);
        if (left == 0) {
            return AGENT_LATE;
        }
        const int count = poll(&ready, 1, left);
        if (count > 0) {
            return AGENT_OK;
        }
        if (count < 0 && errno != EINTR) {
            return AGENT_GONE;
        }
    }
}

enum agent_status agent_send(const struct agent *agent, const uint8_t *bytes, size_t length) {
    size_t sent = 0;
    while (sent < length) {
        const enum agent_status waited = wait_for(agent, POLLOUT);
        if (waited != AGENT_OK) {
            return waited;
        }
        const ssize_t count =
            send(agent->socket, bytes + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0) {
            sent += (size_t)count;
        } else if (errno != EINTR && errno != EAGAIN) {
            return AGENT_GONE;
        }
    }
    return AGENT_OK;
}

enum agent_status agent_receive(const struct agent *agent, struct wire_reader *reader) {
    wire_next(reader);
    for (;;) {
        const enum agent_status waited = wait_for(agent, POLLIN);
        if (waited != AGENT_OK) {
            return waited;
        }
        const ssize_t count =
            recv(agent->socket, wire_room(reader), wire_wanted(reader), MSG_DONTWAIT);
        if (count < 0) {
            if (errno == EINTR || errno == EAGAIN) {
                continue;
            }
            return AGENT_GONE;
        }
        if (count == 0) {
            return AGENT_GONE;
        }
        switch (wire_took(reader, (size_t)count)) {
        case WIRE_MORE:
            break;
        case WIRE_RECORD:
            return AGENT_OK;
        case WIRE_BROKEN:
        default:
            return AGENT_BROKEN;
        }
    }
}

void agent_close(struct agent *agent) {
    if (agent->socket >= 0) {
        close(agent->socket);
        agent->socket = -1;
    }
}
