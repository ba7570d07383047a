/* Agents on links to a relay; see load.h. */

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "load.h"
#include "net.h"

enum { READ = 65536, MAX_LINKS = 256, TTL = 600, MAX_BODY = MAX_FRAME + MAX_WRAPPING };

struct link {
    enum kind kind;
    int fd;
    size_t have, to_send;
    uint8_t in[READ], out[READ];
};

static struct link *links[MAX_LINKS];
static uint32_t link_count;
static uint32_t background_sent;
uint32_t background_queued;

void adopt_links(int count, char *const *descriptors) {
    if (count < 1 || count > MAX_LINKS) {
        die("expected the descriptors of 1 to %d links", MAX_LINKS);
    }
    for (int i = 0; i < count; i++) {
        struct link *link = calloc(1, sizeof *link);
        if (link == NULL) {
            die("out of memory");
        }
        link->kind = A_LINK;
        link->fd = atoi(descriptors[i]);
        links[i] = link;
        watch(epoll, link->fd, link);
    }
    link_count = (uint32_t)count;
}

static void flush(struct link *link) {
    send_all(link->fd, link->out, link->to_send);
    link->to_send = 0;
}

void flush_links(void) {
    for (uint32_t i = 0; i < link_count; i++) {
        if (links[i]->to_send > 0) {
            flush(links[i]);
        }
    }
}

static uint8_t *begin_frame(struct link *link) {
    if (link->to_send + PREFIX + MAX_BODY > READ) {
        flush(link);
    }
    return link->out + link->to_send + PREFIX;
}

static void end_frame(struct link *link, const uint8_t *end) {
    uint8_t *start = link->out + link->to_send;
    put_u16(start, (size_t)(end - start) - PREFIX);
    link->to_send += (size_t)(end - start);
}

static void request(struct link *link, uint32_t number, const uint8_t *tag) {
    uint8_t id[SIGN_ON_ID] = {0};
    put_u32(id, number);
    uint8_t *at = put_uint(put_head(begin_frame(link), 5, AUTH_REQUEST), number);
    at = put_uint(put_bin(at, id, sizeof id), TTL);
    *at++ = 0x90 | 1;
    end_frame(link, put_bin(at, tag, TAG));
}

static struct link *link_of(const struct sign_on *sign_on) {
    return links[(size_t)(sign_on - slots) % link_count];
}

void request_on_link(struct sign_on *sign_on) {
    sign_on->next = 0;
    request(link_of(sign_on), sign_on->number, sign_on->tag);
}

void queue_background(void) {
    uint8_t tag[TAG];
    random_tag(tag);
    const uint32_t number = background_sent << SLOT_BITS | BACKGROUND;
    request(links[background_sent % link_count], number, tag);
    background_sent++;
}

static void frame_arrived(struct link *link, struct sign_on *sign_on, const uint8_t *at) {
    size_t length;
    const uint8_t *frame = get_bin_head(at, &length);
    const uint8_t index = sign_on->next;
    if (index >= FRAMES || length != FRAME_SIZE[index]) {
        die("frame %u of sign-on %u arrived with another length", index, sign_on->number);
    }
    check_frame(frame, length, sign_on->number, index);
    sign_on->next = index + 2;
    if (index + 1 == FRAMES) {
        uint8_t *out = put_uint(put_head(begin_frame(link), 3, CLOSE), sign_on->number);
        end_frame(link, put_uint(out, CLOSE_DONE));
        return;
    }
    uint8_t *out = put_uint(put_head(begin_frame(link), 3, DATA), sign_on->number);
    out = put_bin_head(out, FRAME_SIZE[index + 1]);
    fill_frame(out, FRAME_SIZE[index + 1], sign_on->number, index + 1);
    end_frame(link, out + FRAME_SIZE[index + 1]);
}

static void message_arrived(struct link *link, const uint8_t *body) {
    const enum message type = body[1];
    if (type == PING) {
        end_frame(link, put_head(begin_frame(link), 1, PONG));
        return;
    }
    uint32_t number;
    const uint8_t *at = get_uint(body + 2, &number);
    const uint32_t slot = number & BACKGROUND;
    if (slot == BACKGROUND && type == QUEUED) {
        background_queued++;
        return;
    }
    if (slot >= MAX_IN_FLIGHT || slots[slot].number != number) {
        die("message of type %u for the request %u, which nobody made", type, number);
    }
    switch (type) {
    case QUEUED:
        start_validator(&slots[slot]);
        break;
    case PAIRED:
        break;
    case DATA:
        frame_arrived(link, &slots[slot], at);
        break;
    default:
        die("the relay ended request %u: message of type %u, reason %u", number, type, *at);
    }
}

void link_readable(struct link *link) {
    const ssize_t count = recv(link->fd, link->in + link->have, READ - link->have, 0);
    if (count < 0 && errno == EAGAIN) {
        return;
    }
    if (count <= 0) {
        die("the relay closed a link");
    }
    link->have += (size_t)count;
    const uint8_t *at = link->in, *end = link->in + link->have;
    while (end - at >= PREFIX && (size_t)(end - at) >= PREFIX + get_u16(at)) {
        message_arrived(link, at + PREFIX);
        at += PREFIX + get_u16(at);
    }
    link->have = (size_t)(end - at);
    memmove(link->in, at, link->have);
}
