/*
 * The limit of Bartizan's own design: it speaks the frames of agents' links and of validators, pairs
 * by tag and forwards, with one write for each link and wake-up. One process, one epoll set. No
 * checks, no authentication, no timers, no limits, no log: whoever connects is believed.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "wire.h"

enum { BATCH = 256, BUCKETS = 1 << 17, READ = 65536, MAX_BODY = MAX_FRAME + MAX_WRAPPING };

enum kind { AGENTS_LISTENER, VALIDATORS_LISTENER, LINK, VALIDATOR };

/* What epoll hands back; the first member of whatever it is. */
struct end {
    enum kind kind;
    int fd; /* -1 when closed */
};

struct request {
    struct link *link;
    struct validator *validator; /* once it is paired */
    struct request *next_by_tag, *next_by_number;
    uint32_t number;
    uint8_t tag[TAG];
};

struct link {
    struct end end;
    bool is_open; /* the preface has been read */
    size_t have;  /* bytes in `in`: less than a frame between two wake-ups */
    uint8_t in[READ];
    size_t to_send, room;
    uint8_t *out;
    struct link *next_dirty;
};

struct validator {
    struct end end;
    struct request *request; /* NULL until its tag has come */
    struct validator *next;  /* in the list of free ones, or of those closed in this batch */
    size_t have;
    uint8_t in[2 * (PREFIX + MAX_FRAME)];
};

static int epoll;
static struct request *by_tag[BUCKETS], *by_number[BUCKETS];
static struct request *unused_requests;
static struct validator *unused_validators, *closed_validators;
static struct link *dirty;

static void *allocate(size_t size) {
    void *made = malloc(size);
    if (made == NULL) {
        die("out of memory");
    }
    return made;
}

/* ---- requests ------------------------------------------------------------------------------- */

static struct request **tag_bucket(const uint8_t *tag) {
    return &by_tag[get_u32(tag) % BUCKETS];
}

static struct request **number_bucket(const struct link *link, uint32_t number) {
    return &by_number[(number + (uint32_t)link->end.fd * 2654435761u) % BUCKETS];
}

static struct request *request_of(const struct link *link, uint32_t number) {
    struct request *request = *number_bucket(link, number);
    while (request != NULL && (request->number != number || request->link != link)) {
        request = request->next_by_number;
    }
    return request;
}

static void add_request(struct link *link, uint32_t number, const uint8_t *tag) {
    struct request *request = unused_requests;
    if (request != NULL) {
        unused_requests = request->next_by_tag;
    } else {
        request = allocate(sizeof *request);
    }
    struct request **tagged = tag_bucket(tag), **numbered = number_bucket(link, number);
    *request = (struct request){link, NULL, *tagged, *numbered, number, {0}};
    memcpy(request->tag, tag, TAG);
    *tagged = *numbered = request;
}

static void remove_request(struct request *request) {
    struct request **at = tag_bucket(request->tag);
    while (*at != request) {
        at = &(*at)->next_by_tag;
    }
    *at = request->next_by_tag;
    at = number_bucket(request->link, request->number);
    while (*at != request) {
        at = &(*at)->next_by_number;
    }
    *at = request->next_by_number;
    request->next_by_tag = unused_requests;
    unused_requests = request;
}

/* ---- what goes out on a link ---------------------------------------------------------------- */

/* Room for one more frame in the link's buffer, past its length. */
static uint8_t *begin_frame(struct link *link) {
    if (link->to_send == 0) {
        link->next_dirty = dirty;
        dirty = link;
    }
    if (link->room < link->to_send + PREFIX + MAX_BODY) {
        link->room = 2 * link->room + PREFIX + MAX_BODY;
        link->out = realloc(link->out, link->room);
        if (link->out == NULL) {
            die("out of memory");
        }
    }
    return link->out + link->to_send + PREFIX;
}

static void end_frame(struct link *link, const uint8_t *end) {
    uint8_t *start = link->out + link->to_send;
    put_u16(start, (size_t)(end - start) - PREFIX);
    link->to_send += (size_t)(end - start);
}

static void flush_links(void) {
    for (; dirty != NULL; dirty = dirty->next_dirty) {
        send_all(dirty->end.fd, dirty->out, dirty->to_send);
        dirty->to_send = 0;
    }
}

/* ---- validators ----------------------------------------------------------------------------- */

static void close_validator(struct validator *validator) {
    if (validator->request != NULL) {
        remove_request(validator->request);
    }
    close(validator->end.fd);
    validator->end.fd = -1;
    validator->next = closed_validators;
    closed_validators = validator;
}

/* Takes the opening off the buffer and pairs; false when more must be read first. */
static bool introduced(struct validator *validator) {
    if (validator->request != NULL) {
        return true;
    }
    if (validator->have < OPENING) {
        return false;
    }
    const uint8_t *tag = validator->in + OPENING - TAG;
    struct request *request = *tag_bucket(tag);
    while (request != NULL && memcmp(request->tag, tag, TAG) != 0) {
        request = request->next_by_tag;
    }
    if (request == NULL) {
        die("a validator came for nothing");
    }
    request->validator = validator;
    validator->request = request;
    static const uint8_t address[] = "127.0.0.1:65535";
    uint8_t *at = put_uint(put_head(begin_frame(request->link), 4, PAIRED), request->number);
    at = put_uint(at, 0);
    *at++ = 0xa0 | (sizeof address - 1);
    memcpy(at, address, sizeof address - 1);
    end_frame(request->link, at + sizeof address - 1);
    return true;
}

static void validator_readable(struct validator *validator) {
    const ssize_t count = recv(validator->end.fd, validator->in + validator->have,
                               sizeof validator->in - validator->have, 0);
    if (count < 0 && errno == EAGAIN) {
        return;
    }
    if (count <= 0) {
        close_validator(validator);
        return;
    }
    validator->have += (size_t)count;
    const bool was_known = validator->request != NULL;
    if (!introduced(validator)) {
        return;
    }
    struct link *link = validator->request->link;
    const uint8_t *at = validator->in + (was_known ? 0 : OPENING);
    const uint8_t *end = validator->in + validator->have;
    while (end - at >= PREFIX && (size_t)(end - at) >= PREFIX + get_u16(at)) {
        const size_t length = get_u16(at);
        uint8_t *out = put_uint(put_head(begin_frame(link), 3, DATA), validator->request->number);
        end_frame(link, put_bin(out, at + PREFIX, length));
        at += PREFIX + length;
    }
    validator->have = (size_t)(end - at);
    memmove(validator->in, at, validator->have);
}

static void accept_validators(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct validator *validator = unused_validators;
        if (validator != NULL) {
            unused_validators = validator->next;
        } else {
            validator = allocate(sizeof *validator);
        }
        validator->end = (struct end){VALIDATOR, fd};
        validator->request = NULL;
        validator->have = 0;
        validator_readable(validator); /* the client speaks first: mostly its bytes are there */
        if (validator->end.fd >= 0) {
            watch(epoll, fd, validator);
        }
    }
}

/* ---- agents' links -------------------------------------------------------------------------- */

static void from_agent(struct link *link, uint8_t *body) {
    const enum message type = body[1];
    uint32_t number, ttl;
    size_t length;
    const uint8_t *at = body + 2;
    struct request *request;
    switch (type) {
    case HELLO:
        end_frame(link, put_uint(put_uint(put_head(begin_frame(link), 3, ATTACHED), 100000), 600));
        break;
    case AUTH_REQUEST:
        at = get_uint(at, &number);
        at = get_uint(at + 2 + SIGN_ON_ID, &ttl);
        add_request(link, number, at + 1 + 2); /* in an array of one: a bin of TAG bytes */
        end_frame(link, put_uint(put_head(begin_frame(link), 2, QUEUED), number));
        break;
    case DATA:
        at = get_uint(at, &number);
        request = request_of(link, number);
        at = get_bin_head(at, &length);
        /* The header's last two bytes become the prefix of the frame: no copy. */
        put_u16((uint8_t *)at - PREFIX, length);
        send_all(request->validator->end.fd, at - PREFIX, PREFIX + length);
        break;
    case CLOSE:
        get_uint(at, &number);
        request = request_of(link, number);
        if (request->validator != NULL) {
            close_validator(request->validator);
        } else {
            remove_request(request);
        }
        break;
    default:
        die("an agent sent a message of type %u", type);
    }
}

static void link_readable(struct link *link) {
    const ssize_t count = recv(link->end.fd, link->in + link->have, sizeof link->in - link->have, 0);
    if (count < 0 && errno == EAGAIN) {
        return;
    }
    if (count <= 0) {
        exit(0); /* the measurement is over */
    }
    link->have += (size_t)count;
    uint8_t *at = link->in, *end = link->in + link->have;
    if (!link->is_open && link->have >= PREFACE) {
        link->is_open = true;
        at += PREFACE;
    }
    while (end - at >= PREFIX && (size_t)(end - at) >= PREFIX + get_u16(at)) {
        from_agent(link, at + PREFIX);
        at += PREFIX + get_u16(at);
    }
    link->have = (size_t)(end - at);
    memmove(link->in, at, link->have);
}

static void accept_links(int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct link *link = allocate(sizeof *link);
        *link = (struct link){.end = {LINK, fd}};
        watch(epoll, fd, link);
    }
}

int main(void) {
    struct end agents = {AGENTS_LISTENER, listen_on_loopback("agents")};
    struct end validators = {VALIDATORS_LISTENER, listen_on_loopback("validators")};
    epoll = new_epoll();
    watch(epoll, agents.fd, &agents);
    watch(epoll, validators.fd, &validators);
    for (;;) {
        struct epoll_event events[BATCH];
        const int count = epoll_wait(epoll, events, BATCH, -1);
        for (int i = 0; i < count; i++) {
            struct end *end = events[i].data.ptr;
            switch (end->kind) {
            case AGENTS_LISTENER:
                accept_links(end->fd);
                break;
            case VALIDATORS_LISTENER:
                accept_validators(end->fd);
                break;
            case LINK:
                link_readable((struct link *)end);
                break;
            case VALIDATOR:
                if (end->fd >= 0) {
                    validator_readable((struct validator *)end);
                }
                break;
            }
        }
        flush_links();
        while (closed_validators != NULL) {
            struct validator *next = closed_validators->next;
            closed_validators->next = unused_validators;
            unused_validators = closed_validators;
            closed_validators = next;
        }
    }
}
