/*
 * shell. The stream to the agent: one Unix socket, one deadline for all that is done with it.
 *
 * It decides nothing: it says how each step went.
 */

#ifndef BARTIZAN_AGENT_H
#define BARTIZAN_AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "wire.h"

enum agent_status {
    AGENT_OK,
    AGENT_ABSENT,      /* no socket, or nobody listens at it: the agent is down */
    AGENT_UNREACHABLE, /* something else is wrong: permissions, descriptors; errno says what */
    AGENT_LATE,        /* the deadline is over */
    AGENT_INTERRUPTED, /* SIGINT or SIGQUIT is pending: the user wants no more of it */
    AGENT_GONE,        /* the agent ended the stream */
    AGENT_BROKEN,      /* the agent sent what is no record */
};

struct agent {
    int socket;
    int interrupts;           /* readable while SIGINT or SIGQUIT is pending; -1 for none */
    struct timespec deadline; /* CLOCK_MONOTONIC, the same for every step */
};

/* The moment `seconds` from now. */
struct timespec agent_deadline(unsigned seconds);

/* Connects to the agent's socket at `path`, which fits in a sockaddr_un. */
enum agent_status agent_connect(struct agent *agent, const char *path, struct timespec deadline);

enum agent_status agent_send(const struct agent *agent, const uint8_t *bytes, size_t length);

/* Receives one whole record. A record that is whole after the deadline is not a record. */
enum agent_status agent_receive(const struct agent *agent, struct wire_reader *reader);

void agent_close(struct agent *agent);

#endif
