/* pure. UTF-8 and control characters, see text.h. */

#include "text.h"

#include <string.h>

static const char ELLIPSIS[] = "\xE2\x80\xA6";

enum {
    ELLIPSIS_LENGTH = sizeof(ELLIPSIS) - 1,
    FIRST_PRINTABLE = 0x20,
    DELETE = 0x7F,
    LAST_C1 = 0x9F,
};

static bool is_continuation(uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}

/*
 * The length in bytes of the character at `bytes` (1 to 4), or 0 when these are no character, or
 * a control character. The table is that of RFC 3629: no surrogates, no longer form than needed,
 * nothing above U+10FFFF.
 */
static size_t plain_character(const uint8_t *bytes, size_t length) {
    const uint8_t first = bytes[0];
    if (first < DELETE) {
        return first >= FIRST_PRINTABLE ? 1 : 0;
    }
    if (first >= 0xC2 && first <= 0xDF) {
        if (length < 2 || !is_continuation(bytes[1])) {
            return 0;
        }
        return (first == 0xC2 && bytes[1] <= LAST_C1) ? 0 : 2;
    }
    if (first >= 0xE0 && first <= 0xEF) {
        const uint8_t lowest = first == 0xE0 ? 0xA0 : 0x80;
        const uint8_t highest = first == 0xED ? 0x9F : 0xBF;
        const bool whole = length >= 3 && bytes[1] >= lowest && bytes[1] <= highest &&
                           is_continuation(bytes[2]);
        return whole ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const uint8_t lowest = first == 0xF0 ? 0x90 : 0x80;
        const uint8_t highest = first == 0xF4 ? 0x8F : 0xBF;
        const bool whole = length >= 4 && bytes[1] >= lowest && bytes[1] <= highest &&
                           is_continuation(bytes[2]) && is_continuation(bytes[3]);
        return whole ? 4 : 0;
    }
    return 0;
}

bool text_is_plain(const uint8_t *bytes, size_t length) {
    size_t at = 0;
    while (at < length) {
        const size_t step = bytes[at] == '\n' ? 1 : plain_character(bytes + at, length - at);
        if (step == 0) {
            return false;
        }
        at += step;
    }
    return true;
}

size_t text_clean(char *out, size_t room, const char *bytes, size_t length) {
    const uint8_t *in = (const uint8_t *)bytes;
    size_t at = 0;
    size_t written = 0;
    size_t cut = 0; /* where the ellipsis goes if the rest does not fit */
    while (at < length) {
        const size_t step = plain_character(in + at, length - at);
        const size_t size = step == 0 ? 1 : step;
        if (written + size + 1 > room) {
            memcpy(out + cut, ELLIPSIS, ELLIPSIS_LENGTH);
            written = cut + ELLIPSIS_LENGTH;
            break;
        }
        if (step == 0) {
            out[written] = '?';
        } else {
            memcpy(out + written, in + at, step);
        }
        at += size;
        written += size;
        if (written + ELLIPSIS_LENGTH + 1 <= room) {
            cut = written;
        }
    }
    out[written] = '\0';
    return written;
}
