/*
 * What all the programs of this folder agree on: the sizes of a sign-on's frames, what is in them,
 * and just enough msgpack for the messages of the relay (SPEC section 2.4). Checks nothing.
 */

#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    PREFIX = 2, /* u16 big-endian before each frame */
    PREFACE = 6,
    TAG = 16,
    SIGN_ON_ID = 8,
    MAX_FRAME = 2048,
    MAX_WRAPPING = 32, /* prefix, array, type, request and bin header of one Data, rounded up */
    /* Bodies of M-AUTH's five frames. */
    H1 = 80,
    CONTEXT = 32 + 1536 + 16,
    DECISION = 256 + 16,
    RECEIPT = 256 + 16,
    CONFIRM = 256 + 16,
};

enum message {
    HELLO = 0,
    ATTACH = 2,
    ATTACHED = 3,
    AUTH_REQUEST = 4,
    QUEUED = 5,
    PAIRED = 7,
    DATA = 8,
    CLOSE = 10,
    PING = 11,
    PONG = 12,
    AUTH_VALIDATE = 14,
};

enum { CLOSE_DONE = 2 };

static const uint8_t PREFACE_BYTES[PREFACE] = {'B', 'T', 'Z', 'N', 1, 7};

static inline uint32_t get_u16(const uint8_t *at) {
    return (uint32_t)at[0] << 8 | at[1];
}

static inline void put_u16(uint8_t *at, size_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline uint32_t get_u32(const uint8_t *at) {
    return get_u16(at) << 16 | get_u16(at + 2);
}

static inline void put_u32(uint8_t *at, uint32_t value) {
    put_u16(at, value >> 16);
    put_u16(at + 2, value & 0xffff);
}

/* An array of `fields` items, 1 to 15, whose first is the type. */
static inline uint8_t *put_head(uint8_t *at, unsigned fields, enum message type) {
    *at++ = (uint8_t)(0x90 | fields);
    *at++ = (uint8_t)type;
    return at;
}

static inline uint8_t *put_uint(uint8_t *at, uint32_t value) {
    if (value < 0x80) {
        *at++ = (uint8_t)value;
    } else if (value <= 0xff) {
        *at++ = 0xcc;
        *at++ = (uint8_t)value;
    } else if (value <= 0xffff) {
        *at++ = 0xcd;
        put_u16(at, value);
        at += 2;
    } else {
        *at++ = 0xce;
        put_u32(at, value);
        at += 4;
    }
    return at;
}

static inline const uint8_t *get_uint(const uint8_t *at, uint32_t *value) {
    switch (*at) {
    case 0xcc:
        *value = at[1];
        return at + 2;
    case 0xcd:
        *value = get_u16(at + 1);
        return at + 3;
    case 0xce:
        *value = get_u32(at + 1);
        return at + 5;
    default:
        *value = *at;
        return at + 1;
    }
}

static inline uint8_t *put_bin_head(uint8_t *at, size_t length) {
    if (length <= 0xff) {
        *at++ = 0xc4;
        *at++ = (uint8_t)length;
    } else {
        *at++ = 0xc5;
        put_u16(at, length);
        at += 2;
    }
    return at;
}

static inline uint8_t *put_bin(uint8_t *at, const uint8_t *bytes, size_t length) {
    at = put_bin_head(at, length);
    memcpy(at, bytes, length);
    return at + length;
}

static inline const uint8_t *get_bin_head(const uint8_t *at, size_t *length) {
    if (*at == 0xc4) {
        *length = at[1];
        return at + 2;
    }
    *length = get_u16(at + 1);
    return at + 3;
}

/* The opening of a validator's connection up to H1: preface and AuthValidate. */
enum { OPENING = PREFACE + PREFIX + 2 + 2 + TAG };

static inline uint8_t *put_opening(uint8_t *at, const uint8_t *tag) {
    memcpy(at, PREFACE_BYTES, PREFACE);
    put_u16(at + PREFACE, OPENING - PREFACE - PREFIX);
    return put_bin(put_head(at + PREFACE + PREFIX, 2, AUTH_VALIDATE), tag, TAG);
}

/*
 * The body of the frame number `index` of sign-on `number`: bytes that look random and are the same
 * in every process, behind the number and the index, so that a frame in the wrong place is seen.
 */
void fill_frame(uint8_t *body, size_t size, uint32_t number, uint8_t index);

/* Ends the process when `body` is not what `fill_frame` makes. */
void check_frame(const uint8_t *body, size_t size, uint32_t number, uint8_t index);

#endif
