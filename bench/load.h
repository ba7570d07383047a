/*
 * The load generator: plays the agents and the validators of many sign-ons at a time against one
 * relay. All contents are known bytes, and each byte that arrives is compared.
 *
 *   load.c      the commands, the loop, the figures
 *   agents.c    agents on links to a relay
 *   parties.c   validators, and agents with a connection for each sign-on
 */

#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

enum mode {
    LINKS,   /* Bartizan's protocol, or floor_links */
    PAIRS,   /* floor_pairs */
    TRANSIT, /* magic-wormhole-transit-relay */
    DIRECT,  /* no relay: validators connect to the agent itself */
};

enum {
    FRAMES = 5,
    SLOT_BITS = 8,
    BACKGROUND = (1 << SLOT_BITS) - 1, /* the slot in the numbers of requests that only wait */
    MAX_IN_FLIGHT = BACKGROUND - 1,
};

/* Bodies in the order they are sent: even ones by the validator, odd ones by the agent. */
extern const size_t FRAME_SIZE[FRAMES];

/* What epoll hands back is one of the two kinds; this is the first member of both. */
enum kind { A_LINK, A_PARTY };

/* One side of one sign-on with a connection of its own. */
struct party {
    enum kind kind;
    bool is_agent;
    bool awaits_ok; /* transit: "ok\n" comes before the first frame */
    uint8_t next;   /* number of the frame it waits for; FRAMES: the end of the connection */
    int fd;         /* -1 when closed */
    struct sign_on *sign_on;
    size_t have, want;
    uint8_t in[PREFIX + CONTEXT];
};

struct sign_on {
    uint32_t number; /* a serial number, and below it the slot: the request's number on its link */
    uint8_t next;    /* number of the frame that its agent on a link waits for */
    uint8_t tag[TAG];
    uint64_t began, connected, told; /* ns: first act, validator's connect, CONFIRM sent */
    struct party validator, agent;
};

extern enum mode mode;
extern int epoll;
extern struct sign_on slots[MAX_IN_FLIGHT];

void random_tag(uint8_t *tag);

/* ---- load.c --------------------------------------------------------------------------------- */

/* The validator saw the end of its connection, after all its frames. */
void finished(struct sign_on *sign_on);

/* ---- agents.c ------------------------------------------------------------------------------- */

struct link;

/* Takes over the connected sockets of attached links. */
void adopt_links(int count, char *const *descriptors);

/* Asks the relay to queue; the validator is started when it says so. */
void request_on_link(struct sign_on *sign_on);

void link_readable(struct link *link);

/* Writes what has gathered for each link, once. */
void flush_links(void);

/* Queues a request for which nobody will come. */
void queue_background(void);

/* How many of those the relay has confirmed. */
extern uint32_t background_queued;

/* ---- parties.c ------------------------------------------------------------------------------ */

void set_port(uint16_t port);

/* Connects as an agent and brings the tag. */
void start_agent(struct sign_on *sign_on);

/* Connects as a validator and sends all that may be sent at once. */
void start_validator(struct sign_on *sign_on);

void party_readable(struct party *party);

/* Leaves an agent's connection waiting for ever; it is closed with the process. */
void open_background(void);

#endif
