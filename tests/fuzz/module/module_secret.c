/* What somebody typed as a password, up to a NUL. u8 the part that is the agent's | what was typed. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "secret.h"

/* A letter, a digit, a hyphen or a space of ASCII, by numbers: secret.c has a list. */
static bool can_be_in_a_code(unsigned char c) {
    const unsigned char lower = c | 0x20U;
    return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z' && c != lower - 0x40U) ||
           c == '-' || c == ' ';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const enum wire_part part = data[0] == WIRE_WHOLE ? WIRE_WHOLE : WIRE_TAIL;
    const size_t length = strnlen((const char *)data + 1, size - 1);
    /* Blocks of exactly these sizes: a byte too far is seen. */
    char *typed = calloc(1, length + 1);
    char *code = malloc(SECRET_MAX_CODE);
    assert(typed != NULL && code != NULL);
    memcpy(typed, data + 1, length);

    size_t first = length;
    for (size_t at = 0; at < length; at++) {
        first = typed[at] == ',' ? at : first;
    }
    assert(secret_first_factor(typed) == first);
    const bool has_code = part == WIRE_WHOLE || first < length;
    const size_t begin = part == WIRE_WHOLE ? 0 : first + 1;
    bool good = has_code && length - begin <= SECRET_MAX_CODE;
    for (size_t at = begin; good && at < length; at++) {
        good = can_be_in_a_code((unsigned char)typed[at]);
    }
    const size_t expected = good ? length - begin : 0;
    assert(secret_code(part, typed, code) == expected);
    assert(memcmp(code, typed + (good ? begin : 0), expected) == 0);
    free(typed);
    free(code);
    return 0;
}
