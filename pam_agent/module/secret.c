/*
 * pure. The parts of a typed secret, see secret.h.
 *
 * Byte by byte: the C library's searches read into wide registers, which the dynamic linker may
 * save on the stack, where nobody wipes them.
 */

#include "secret.h"

#include <stdbool.h>

_Static_assert((int)SECRET_MAX_CODE <= (int)WIRE_MAX_ANSWER, "a code does not fit in an answer");

static const char SEPARATOR = ',';

static bool is_code_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c == '-' || c == ' ';
}

size_t secret_first_factor(const char *typed) {
    const char *end = NULL;
    const char *at = typed;
    for (; *at != '\0'; at++) {
        end = *at == SEPARATOR ? at : end;
    }
    return (size_t)((end == NULL ? at : end) - typed);
}

size_t secret_code(enum wire_part part, const char *typed, char out[SECRET_MAX_CODE]) {
    const char *code = typed;
    size_t length = 0;
    if (part != WIRE_WHOLE) {
        code += secret_first_factor(typed);
        if (*code != SEPARATOR) {
            return 0;
        }
        code++;
    }
    while (length < SECRET_MAX_CODE && is_code_character(code[length])) {
        out[length] = code[length];
        length++;
    }
    return code[length] == '\0' ? length : 0;
}
