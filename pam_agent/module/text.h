/*
 * pure. Text that a person will read, from a source that may be hostile.
 *
 * Plain text is valid UTF-8 without control characters (C0, DEL, C1); a line feed is the one
 * exception, and only where the caller allows it.
 */

#ifndef BARTIZAN_TEXT_H
#define BARTIZAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether all `length` bytes are plain text. Line feeds are allowed, NUL is not. */
bool text_is_plain(const uint8_t *bytes, size_t length);

/*
 * Writes `length` bytes as plain text on one line to `out`, ended by NUL: every byte that is not
 * part of a plain character becomes '?'. What does not fit in `room` bytes (at least 4, the NUL
 * included) is cut between characters, and the cut shows as an ellipsis. Returns the bytes
 * written, without the NUL.
 */
size_t text_clean(char *out, size_t room, const char *bytes, size_t length);

#endif
