/*
 * pure. What of that which somebody typed as the password is for the agent, and what is not.
 *
 * A user of a service with a first factor types both in one: the first factor, a comma, the code.
 * The agent gets the code and no byte of the rest. What cannot be a code is not sent at all: it is
 * more likely somebody's password.
 */

#ifndef BARTIZAN_SECRET_H
#define BARTIZAN_SECRET_H

#include <stddef.h>

#include "wire.h"

enum {
    SECRET_MAX_CODE = 32, /* bytes: a ticket has 10 characters, and people put hyphens in */
};

/*
 * Copies the code in `typed` to `out` and returns its length; 0 when there is none: no comma for
 * WIRE_TAIL, or something that is longer than SECRET_MAX_CODE or has more in it than ASCII letters,
 * digits, hyphens and spaces.
 */
size_t secret_code(enum wire_part part, const char *typed, char out[SECRET_MAX_CODE]);

/* The length of the first factor: what stands before the last comma, all of it without a comma. */
size_t secret_first_factor(const char *typed);

#endif
