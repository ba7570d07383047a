/* Texts of strangers on their way to a log or a terminal. u8 room above the least | the text. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { LEAST_ROOM = 4 };

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
