/* pure. The module's arguments in a PAM service file. */

#ifndef BARTIZAN_OPTIONS_H
#define BARTIZAN_OPTIONS_H

#include <stdbool.h>

enum {
    /* Above the agent's own limit of 300 s for a whole sign-on, so that the agent ends it. */
    OPTIONS_DEFAULT_TIMEOUT = 330,
    OPTIONS_MAX_TIMEOUT = 3600,
};

struct options {
    const char *socket; /* absolute, fits in a sockaddr_un */
    unsigned timeout;   /* seconds for the whole call, 1 to OPTIONS_MAX_TIMEOUT */
    bool debug;
};

/*
 * Takes one argument. Returns NULL, or what is wrong with it: an option that is not understood is
 * never passed over, because it may have been meant to protect. Start from all zero.
 */
const char *options_take(struct options *options, const char *argument);

/* Fills in the defaults of what no argument has set. */
void options_complete(struct options *options);

#endif
