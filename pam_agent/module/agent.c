/* shell. The stream to the agent, see agent.h. */

#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
    US_PER_MS = 1000,
    FIRST_FREE_DESCRIPTOR = 3,
    CONNECT_MS = 200, /* between two looks for an interrupt: as fast as a person notices */
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

/*
 * `opened` moved away from stdin, stdout and stderr. A process can begin without them, and what it
 * then prints must not reach the agent.
 */
static int out_of_the_way(int opened) {
    if (opened < 0 || opened >= FIRST_FREE_DESCRIPTOR) {
        return opened;
    }
    const int moved = fcntl(opened, F_DUPFD_CLOEXEC, FIRST_FREE_DESCRIPTOR);
    const int why = errno;
    close(opened);
    errno = why;
    return moved;
}

/*
 * sudo blocks SIGINT and SIGQUIT while PAM authenticates, and looks afterwards whether one is
 * pending. So Ctrl-C neither ends the process nor interrupts a call. This descriptor shows a
 * pending one, and as nothing is ever read from it, the signal stays there for sudo to find. In a
 * process that does not block them they are never pending, and act as they always do.
 */
static int watch_interrupts(void) {
    sigset_t interrupts;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGQUIT);
    return out_of_the_way(signalfd(-1, &interrupts, SFD_CLOEXEC));
}

/* Waits for one of `events`, a hang-up or an interrupt, at most `milliseconds` long. */
static int wait_at_most(const struct agent *agent, short events, int milliseconds,
                        bool *interrupted) {
    struct pollfd ready[] = {
        {.fd = agent->interrupts, .events = POLLIN}, /* poll() passes over a -1 */
        {.fd = agent->socket, .events = events},
    };
    const int count = poll(ready, sizeof ready / sizeof *ready, milliseconds);
    *interrupted = count > 0 && ready[0].revents != 0;
    return count;
}

enum agent_status agent_connect(struct agent *agent, const char *path, struct timespec deadline) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t length = strnlen(path, sizeof(address.sun_path));
    agent->deadline = deadline;
    agent->socket = -1;
    agent->interrupts = -1;
    if (length == sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return AGENT_UNREACHABLE;
    }
    memcpy(address.sun_path, path, length);
    agent->socket = out_of_the_way(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (agent->socket < 0) {
        return AGENT_UNREACHABLE;
    }
    agent->interrupts = watch_interrupts();
    for (;;) {
        /*
         * With the agent's backlog full, a non-blocking connect fails at once and poll() cannot
         * wait for it. A blocking one waits, and the send timeout bounds it.
         */
        const int left = milliseconds_left(&deadline);
        const int slice = left < CONNECT_MS ? left : CONNECT_MS;
        const struct timeval limit = {.tv_usec = slice * US_PER_MS};
        bool interrupted;
        if (left == 0) {
            return AGENT_LATE;
        }
        wait_at_most(agent, 0, 0, &interrupted);
        if (interrupted) {
            return AGENT_INTERRUPTED;
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
    for (;;) {
        const int left = milliseconds_left(&agent->deadline);
        bool interrupted;
        if (left == 0) {
            return AGENT_LATE;
        }
        const int count = wait_at_most(agent, events, left, &interrupted);
        if (interrupted) {
            return AGENT_INTERRUPTED;
        }
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

static void close_one(int *descriptor) {
    if (*descriptor >= 0) {
        close(*descriptor);
        *descriptor = -1;
    }
}

void agent_close(struct agent *agent) {
    close_one(&agent->socket);
    close_one(&agent->interrupts);
}
