/* pure. The module's arguments, see options.h. */

#include "options.h"

#include <stddef.h>
#include <string.h>
#include <sys/un.h>

static const char DEFAULT_SOCKET[] = "/run/bartizan-agent/pam.sock";

/* The value behind `name`, which ends in '=', or NULL. */
static const char *value_of(const char *argument, const char *name) {
    const size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

/* Whole seconds, 1 to OPTIONS_MAX_TIMEOUT, in decimal digits; 0 for anything else. */
static unsigned seconds_of(const char *digits) {
    unsigned seconds = 0;
    for (; *digits >= '0' && *digits <= '9' && seconds <= OPTIONS_MAX_TIMEOUT; digits++) {
        seconds = seconds * 10 + (unsigned)(*digits - '0');
    }
    return *digits == '\0' && seconds <= OPTIONS_MAX_TIMEOUT ? seconds : 0;
}

static bool is_socket_path(const char *path) {
    return path[0] == '/' && strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

const char *options_take(struct options *options, const char *argument) {
    const char *socket = value_of(argument, "socket=");
    const char *timeout = value_of(argument, "timeout=");
    if (socket != NULL) {
        if (options->socket != NULL) {
            return "is given twice"; /* which one counts would be a guess */
        }
        options->socket = socket;
        return is_socket_path(socket) ? NULL : "is no absolute path of at most 107 bytes";
    }
    if (timeout != NULL) {
        if (options->timeout != 0) {
            return "is given twice";
        }
        options->timeout = seconds_of(timeout);
        return options->timeout != 0 ? NULL : "is no number of seconds from 1 to 3600";
    }
    if (strcmp(argument, "debug") == 0) {
        options->debug = true;
        return NULL;
    }
    return "is not known; there are socket=PATH, timeout=SECONDS and debug";
}

void options_complete(struct options *options) {
    if (options->socket == NULL) {
        options->socket = DEFAULT_SOCKET;
    }
    if (options->timeout == 0) {
        options->timeout = OPTIONS_DEFAULT_TIMEOUT;
    }
}
