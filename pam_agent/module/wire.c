/* pure. The local wire's records, see wire.h. */

#include "wire.h"

#include <string.h>

#include "text.h"

static size_t most_of(enum wire_field field) {
    return field == WIRE_NOTE ? WIRE_MAX_NOTE : WIRE_MAX_FIELD;
}

/* The longest start record must fit in one record: then no encoder needs to check for room. */
_Static_assert(1 + (WIRE_FIELDS - 1) * (WIRE_HEADER + WIRE_MAX_FIELD) + WIRE_HEADER +
                       WIRE_MAX_NOTE <= WIRE_MAX_PAYLOAD,
               "a start record can be too long");

static void put_header(uint8_t *at, uint8_t kind, size_t length) {
    at[0] = kind;
    at[1] = (uint8_t)(length >> 8);
    at[2] = (uint8_t)length;
}

size_t wire_encode_start(uint8_t record[WIRE_MAX_RECORD], const struct wire_start *start) {
    size_t end = WIRE_HEADER;
    record[end++] = WIRE_VERSION;
    for (int field = 0; field < WIRE_FIELDS; field++) {
        const bool required = field == WIRE_SERVICE || field == WIRE_USER;
        const char *value = start->field[field];
        const size_t most = most_of((enum wire_field)field);
        const size_t length = value == NULL ? 0 : strnlen(value, most + 1);
        if (required && (length == 0 || length > most)) {
            return 0;
        }
        if (length == 0) {
            continue;
        }
        const size_t kept = length > most ? most : length;
        put_header(record + end, (uint8_t)(field + 1), kept);
        memcpy(record + end + WIRE_HEADER, value, kept);
        end += WIRE_HEADER + kept;
    }
    put_header(record, WIRE_START, end - WIRE_HEADER);
    return end;
}

size_t wire_encode_answer(uint8_t record[WIRE_MAX_RECORD], const char *answer, size_t length) {
    put_header(record, WIRE_ANSWER, length);
    memcpy(record + WIRE_HEADER, answer, length);
    return WIRE_HEADER + length;
}

size_t wire_encode_failed(uint8_t record[WIRE_HEADER]) {
    put_header(record, WIRE_FAILED, 0);
    return WIRE_HEADER;
}

static bool comes_from_agent(uint8_t kind) {
    return kind == WIRE_INFO || kind == WIRE_ERROR || kind == WIRE_PROMPT ||
           kind == WIRE_SECRET || kind == WIRE_RESULT;
}

/* Whether a payload of that type can be so long. */
static bool is_length_of(uint8_t kind, size_t length) {
    switch (kind) {
    case WIRE_RESULT:
        return length == 1;
    case WIRE_SECRET:
        return length >= 1 && length <= WIRE_MAX_PAYLOAD;
    default:
        return length <= WIRE_MAX_PAYLOAD;
    }
}

static size_t payload_length(const struct wire_reader *reader) {
    return ((size_t)reader->bytes[1] << 8) | reader->bytes[2];
}

void wire_next(struct wire_reader *reader) {
    reader->have = 0;
}

size_t wire_wanted(const struct wire_reader *reader) {
    if (reader->broken) {
        return 0;
    }
    if (reader->have < WIRE_HEADER) {
        return WIRE_HEADER - reader->have;
    }
    return WIRE_HEADER + payload_length(reader) - reader->have;
}

uint8_t *wire_room(struct wire_reader *reader) {
    return reader->bytes + reader->have;
}

static enum wire_state state_of(struct wire_reader *reader) {
    if (reader->have > 0 && !comes_from_agent(reader->bytes[0])) {
        return WIRE_BROKEN;
    }
    if (reader->have < WIRE_HEADER) {
        return WIRE_MORE;
    }
    const size_t length = payload_length(reader);
    if (!is_length_of(reader->bytes[0], length)) {
        return WIRE_BROKEN;
    }
    if (reader->have < WIRE_HEADER + length) {
        return WIRE_MORE;
    }
    if (reader->bytes[0] != WIRE_RESULT) {
        /* The agent cleans its texts. This is the last line before somebody's terminal. */
        if (!text_is_plain(reader->bytes + WIRE_HEADER, length)) {
            return WIRE_BROKEN;
        }
        reader->bytes[WIRE_HEADER + length] = '\0';
    }
    if (reader->bytes[0] == WIRE_SECRET && reader->bytes[WIRE_HEADER] != WIRE_WHOLE &&
        reader->bytes[WIRE_HEADER] != WIRE_TAIL) {
        return WIRE_BROKEN;
    }
    return WIRE_RECORD;
}

enum wire_state wire_took(struct wire_reader *reader, size_t length) {
    if (length > wire_wanted(reader)) {
        reader->broken = true;
    }
    if (reader->broken) {
        return WIRE_BROKEN;
    }
    reader->have += length;
    const enum wire_state state = state_of(reader);
    reader->broken = state == WIRE_BROKEN;
    return state;
}

enum wire_type wire_type(const struct wire_reader *reader) {
    return (enum wire_type)reader->bytes[0];
}

const char *wire_text(const struct wire_reader *reader) {
    const size_t before = reader->bytes[0] == WIRE_SECRET ? 1 : 0;
    return (const char *)reader->bytes + WIRE_HEADER + before;
}

uint8_t wire_result(const struct wire_reader *reader) {
    return reader->bytes[WIRE_HEADER];
}

enum wire_part wire_part(const struct wire_reader *reader) {
    return (enum wire_part)reader->bytes[WIRE_HEADER];
}
