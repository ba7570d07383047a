/*
 * The module's reader: any stream of the agent, cut anywhere. u8 bytes at a time, 0 for as many as
 * the reader wants | the stream.
 *
 * The bytes of each piece lie in a block of their own, and so does the reader: the sanitizer sees
 * every access beyond.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "wire.h"

/* What a reader said of a stream: all its records one behind the other, and how it ended. */
struct said {
    uint8_t *records;
    size_t length;
    enum wire_state state;
};

static void hear(struct said *said, const struct wire_reader *reader) {
    const uint8_t *payload = reader->bytes + WIRE_HEADER;
    const enum wire_type type = wire_type(reader);
    const size_t length = ((size_t)reader->bytes[1] << 8) | reader->bytes[2];

    assert(reader->have == WIRE_HEADER + length && length <= WIRE_MAX_PAYLOAD);
    if (type == WIRE_RESULT) {
        assert(length == 1 && wire_result(reader) == payload[0]);
    } else {
        const size_t before = type == WIRE_SECRET ? 1 : 0;
        assert(type == WIRE_INFO || type == WIRE_ERROR || type == WIRE_PROMPT || before == 1);
        assert(strlen(wire_text(reader)) + before == length);
        assert(before == 0 || wire_part(reader) == WIRE_WHOLE || wire_part(reader) == WIRE_TAIL);
        assert(text_is_plain(payload, length));
    }
    uint8_t *at = said->records + said->length;
    at[0] = (uint8_t)type;
    at[1] = (uint8_t)(length >> 8);
    at[2] = (uint8_t)length;
    memcpy(at + WIRE_HEADER, payload, length);
    said->length += reader->have;
}

/* `most` bytes at a time, 0 for as many as the reader wants. */
static struct said said_of(const uint8_t *data, size_t size, size_t most) {
    struct wire_reader *reader = calloc(1, sizeof *reader);
    struct said said = {malloc(size + 1), 0, WIRE_MORE};
    assert(reader != NULL && said.records != NULL);

    while (size > 0 && said.state != WIRE_BROKEN) {
        size_t step = wire_wanted(reader);
        assert(step > 0 && reader->have + step <= WIRE_MAX_RECORD);
        step = most != 0 && step > most ? most : step;
        step = step > size ? size : step;
        memcpy(wire_room(reader), data, step);
        data += step;
        size -= step;
        said.state = wire_took(reader, step);
        if (said.state == WIRE_RECORD) {
            hear(&said, reader);
            wire_next(reader);
        }
    }
    if (said.state == WIRE_BROKEN) {
        wire_next(reader);
        assert(wire_wanted(reader) == 0 && wire_took(reader, 0) == WIRE_BROKEN);
    } else {
        const size_t wanted = wire_wanted(reader);
        assert(wanted > 0 && wire_took(reader, wanted + 1) == WIRE_BROKEN);
    }
    free(reader);
    return said;
}

/* Whether what follows the last whole record is no record, nor the beginning of one. */
static bool is_broken(const uint8_t *rest, size_t size) {
    if (size == 0) {
        return false;
    }
    if (strchr("IEPKR", rest[0]) == NULL || rest[0] == '\0') {
        return true;
    }
    if (size < WIRE_HEADER) {
        return false;
    }
    const size_t length = ((size_t)rest[1] << 8) | rest[2];
    if (length > WIRE_MAX_PAYLOAD || (rest[0] == WIRE_RESULT && length != 1)) {
        return true;
    }
    if (rest[0] == WIRE_SECRET && length == 0) {
        return true;
    }
    /* Whole, and not taken: its text is not plain, or asks for an unknown part of a secret. */
    return size >= WIRE_HEADER + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const size_t most = data[0];
    data += 1;
    size -= 1;
    const struct said whole = said_of(data, size, 0);
    assert(whole.length <= size);
    assert(memcmp(whole.records, data, whole.length) == 0);
    const bool broken = is_broken(data + whole.length, size - whole.length);
    assert((whole.state == WIRE_BROKEN) == broken);
    if (most != 0) {
        const struct said cut = said_of(data, size, most);
        assert(cut.length == whole.length);
        assert((cut.state == WIRE_BROKEN) == (whole.state == WIRE_BROKEN));
        assert(memcmp(cut.records, whole.records, whole.length) == 0);
        free(cut.records);
    }
    free(whole.records);
    return 0;
}
