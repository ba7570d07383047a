/*
 * pure. The records between this module and the agent; local_wire.py is the other half.
 *
 * A record is `u8 type | u16 big-endian length | payload`. No I/O, no allocation: the caller
 * owns every buffer, and the reader holds one record at a time.
 */

#ifndef BARTIZAN_WIRE_H
#define BARTIZAN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_VERSION = 1,
    WIRE_HEADER = 3,
    WIRE_MAX_PAYLOAD = 4096,
    WIRE_MAX_ANSWER = 128,
    WIRE_MAX_FIELD = 256,
    WIRE_MAX_NOTE = 1024,
    WIRE_MAX_RECORD = WIRE_HEADER + WIRE_MAX_PAYLOAD,
};

enum wire_type {
    WIRE_START = 'S',
    WIRE_ANSWER = 'A',
    WIRE_FAILED = 'F',
    WIRE_INFO = 'I',
    WIRE_ERROR = 'E',
    WIRE_PROMPT = 'P',
    WIRE_SECRET = 'K',
    WIRE_RESULT = 'R',
};

/* The first byte of a secret record: how much of what is typed as the password is the agent's. */
enum wire_part {
    WIRE_WHOLE = 'W', /* all of it: there is no first factor in it */
    WIRE_TAIL = 'T',  /* what stands behind the last comma: the rest is a first factor */
};

/* The agent's verdict, the one byte of a result record. Any other byte is a denial. */
enum wire_result {
    WIRE_APPROVED = 'Y',
    WIRE_DENIED = 'N',
    WIRE_UNAVAILABLE = 'U',
    WIRE_CONVERSATION_FAILED = 'C',
    WIRE_AGENT_FAILED = 'X',
    WIRE_IGNORED = 'I',
};

/* The fields of a start record, in the order of their ids, the first id being 1. */
enum wire_field {
    WIRE_SERVICE,
    WIRE_USER,
    WIRE_RUSER,
    WIRE_RHOST,
    WIRE_TTY,
    WIRE_FIRST_FACTOR,
    WIRE_NOTE,
    WIRE_DIRECTORY,
    WIRE_FIELDS,
};

/* What PAM says of the sign-on. NULL and the empty string are the same: not known. */
struct wire_start {
    const char *field[WIRE_FIELDS];
};

/*
 * Writes a whole start record and returns its length, or 0 when service or user is missing or
 * too long: a name cut short could be another's. The other fields are only shown to people and
 * are cut to their greatest length.
 */
size_t wire_encode_start(uint8_t record[WIRE_MAX_RECORD], const struct wire_start *start);

/* Writes an answer record and returns its length; `length` is at most WIRE_MAX_ANSWER. */
size_t wire_encode_answer(uint8_t record[WIRE_MAX_RECORD], const char *answer, size_t length);

/* Writes a record that says that the application's conversation failed; returns its length. */
size_t wire_encode_failed(uint8_t record[WIRE_HEADER]);

enum wire_state {
    WIRE_MORE,   /* the record is not whole yet */
    WIRE_RECORD, /* the record is whole: see wire_type, wire_text, wire_result */
    WIRE_BROKEN, /* not a record of the agent; for ever, whatever follows */
};

/* The record that is being received. Set it to all zero before the first use. */
struct wire_reader {
    size_t have;
    bool broken;
    uint8_t bytes[WIRE_MAX_RECORD + 1]; /* the last one is for the NUL behind a text */
};

/* Forgets a whole record, to receive the next one. A broken reader stays broken. */
void wire_next(struct wire_reader *reader);

/* How many more bytes the reader can take at once, 0 when broken; they go to wire_room(). */
size_t wire_wanted(const struct wire_reader *reader);
uint8_t *wire_room(struct wire_reader *reader);

/* Says that `length` bytes, at most wire_wanted(), were written to wire_room(). */
enum wire_state wire_took(struct wire_reader *reader, size_t length);

/* Of a whole record: its type; the text of any but a result; the byte of a result. */
enum wire_type wire_type(const struct wire_reader *reader);
const char *wire_text(const struct wire_reader *reader);
uint8_t wire_result(const struct wire_reader *reader);

/* Of a whole secret record. */
enum wire_part wire_part(const struct wire_reader *reader);

#endif
