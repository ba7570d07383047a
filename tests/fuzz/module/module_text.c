/* Texts of strangers on their way to a log or a terminal. u8 room above the least | the text. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { LEAST_ROOM = 4 };

/*
 * Plain text by way of numbers: the code point is computed first, and judged then. text.c judges
 * bytes and computes nothing.
 */
static bool is_plain(const uint8_t *bytes, size_t length) {
    static const uint32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    for (size_t at = 0; at < length;) {
        uint32_t point = bytes[at];
        size_t size = 1;
        if (point >= 0xF8 || (point & 0xC0) == 0x80) {
            return false;
        }
        if (point >= 0xC0) {
            size = point >= 0xF0 ? 4 : point >= 0xE0 ? 3 : 2;
            point &= 0x7FU >> size;
        }
        if (length - at < size) {
            return false;
        }
        for (size_t i = 1; i < size; i++) {
            if ((bytes[at + i] & 0xC0) != 0x80) {
                return false;
            }
            point = point << 6 | (bytes[at + i] & 0x3FU);
        }
        const bool control = point < 0x20 || (point >= 0x7F && point < 0xA0);
        const bool surrogate = point >= 0xD800 && point < 0xE000;
        if (point < LEAST[size] || point > 0x10FFFF || surrogate || (control && point != '\n')) {
            return false;
        }
        at += size;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    const size_t room = LEAST_ROOM + data[0];
    const size_t length = size - 1;
    /* Blocks of exactly these sizes: a byte too far is seen. */
    char *text = malloc(length + 1);
    char *out = malloc(room);
    char *again = malloc(room);
    assert(text != NULL && out != NULL && again != NULL);
    memcpy(text, data + 1, length);

    const size_t written = text_clean(out, room, text, length);
    assert(written < room && strlen(out) == written);
    assert(text_is_plain((const uint8_t *)out, written));
    assert(memchr(out, '\n', written) == NULL);
    assert(text_clean(again, room, out, written) == written);
    assert(memcmp(again, out, written + 1) == 0);

    const bool plain = text_is_plain((const uint8_t *)text, length);
    assert(plain == is_plain((const uint8_t *)text, length));
    if (plain && memchr(text, '\n', length) == NULL && length < room) {
        assert(written == length && memcmp(out, text, length) == 0);
    }
    if (!plain && length < room) {
        assert(written == length && memchr(out, '?', written) != NULL);
    }
    if (length >= room) {
        assert(written >= 3 && memcmp(out + written - 3, "\xE2\x80\xA6", 3) == 0);
    }
    free(text);
    free(out);
    free(again);
    return 0;
}
