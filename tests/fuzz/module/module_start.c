/*
 * The module's encoders, with any texts of PAM: fields, a NUL between each and the next. The record
 * is read back by the rules of local_wire.py.
 */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

static const size_t MOST[WIRE_FIELDS] = {
    WIRE_MAX_FIELD, WIRE_MAX_FIELD, WIRE_MAX_FIELD, WIRE_MAX_FIELD,
    WIRE_MAX_FIELD, WIRE_MAX_FIELD, WIRE_MAX_NOTE,  WIRE_MAX_FIELD,
};

static void check_start(const uint8_t *record, size_t length, const struct wire_start *start) {
    size_t at = WIRE_HEADER;
    assert(length <= WIRE_MAX_RECORD && record[0] == WIRE_START);
    assert((((size_t)record[1] << 8) | record[2]) == length - WIRE_HEADER);
    assert(record[at++] == WIRE_VERSION);
    for (int i = 0; i < WIRE_FIELDS; i++) {
        const char *value = start->field[i] == NULL ? "" : start->field[i];
        const size_t full = strlen(value);
        const size_t kept = full > MOST[i] ? MOST[i] : full;
        if (kept == 0) {
            continue;
        }
        assert(record[at] == i + 1);
        assert((((size_t)record[at + 1] << 8) | record[at + 2]) == kept);
        assert(memcmp(record + at + WIRE_HEADER, value, kept) == 0);
        at += WIRE_HEADER + kept;
    }
    assert(at == length);
}

static bool fits(const char *value) {
    return value != NULL && value[0] != '\0' && strlen(value) <= WIRE_MAX_FIELD;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct wire_start start = {{NULL}};
    char *texts[WIRE_FIELDS] = {NULL};
    uint8_t *record = malloc(WIRE_MAX_RECORD);
    assert(record != NULL);

    const uint8_t *at = data;
    size_t left = size;
    for (int i = 0; i < WIRE_FIELDS && left > 0; i++) {
        const size_t length = strnlen((const char *)at, left);
        texts[i] = calloc(1, length + 1);
        assert(texts[i] != NULL);
        memcpy(texts[i], at, length);
        start.field[i] = texts[i];
        const size_t step = length < left ? length + 1 : length;
        at += step;
        left -= step;
    }
    const size_t length = wire_encode_start(record, &start);
    assert((length != 0) == (fits(start.field[WIRE_SERVICE]) && fits(start.field[WIRE_USER])));
    if (length != 0) {
        check_start(record, length, &start);
    }

    const size_t answer = size > WIRE_MAX_ANSWER ? WIRE_MAX_ANSWER : size;
    assert(wire_encode_answer(record, (const char *)data, answer) == WIRE_HEADER + answer);
    assert(record[0] == WIRE_ANSWER && record[1] == 0 && record[2] == answer);
    assert(memcmp(record + WIRE_HEADER, data, answer) == 0);

    for (int i = 0; i < WIRE_FIELDS; i++) {
        free(texts[i]);
    }
    free(record);
    return 0;
}
