/* edge. What PAM and the process itself say of the one who wants to sign on. */

#ifndef BARTIZAN_CALLER_H
#define BARTIZAN_CALLER_H

#include <security/pam_modules.h>
#include <stdbool.h>

#include "wire.h"

/* The fields of a start record, and the room that the made-up ones need. */
struct caller {
    struct wire_start start;
    char first_factor[WIRE_MAX_FIELD + 1];
    char note[WIRE_MAX_NOTE + 1];
    char directory[WIRE_MAX_FIELD + 1];
};

/* Fills in all that is known. False when PAM cannot say who the user is. */
bool caller_learn(pam_handle_t *pamh, struct caller *caller);

#endif
