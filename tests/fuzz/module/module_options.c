/* The module's arguments from a PAM service file, a NUL between each and the next. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "options.h"

enum { MOST_ARGUMENTS = 8 };

/* The number behind "timeout=", 0 for what is none that is allowed. */
static unsigned seconds_of(const char *argument) {
    const char *digits = argument + strlen("timeout=");
    const size_t zeros = strspn(digits, "0");
    const size_t all = strspn(digits, "0123456789");
    if (digits[all] != '\0' || all - zeros > 4) {
        return 0;
    }
    const int seconds = atoi(digits);
    return seconds <= OPTIONS_MAX_TIMEOUT ? (unsigned)seconds : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct options options = {NULL, 0, false};
    char *arguments[MOST_ARGUMENTS] = {NULL};
    bool good = true;

    for (int i = 0; i < MOST_ARGUMENTS && size > 0 && good; i++) {
        const size_t length = strnlen((const char *)data, size);
        const struct options before = options;
        arguments[i] = calloc(1, length + 1);
        assert(arguments[i] != NULL);
        memcpy(arguments[i], data, length);
        const char *wrong = options_take(&options, arguments[i]);
        good = wrong == NULL;
        assert(good || strlen(wrong) > 0);
        /* Nothing that was set before is set again. */
        assert(before.socket == NULL || options.socket == before.socket);
        assert(before.timeout == 0 || options.timeout == before.timeout);
        if (strncmp(arguments[i], "timeout=", strlen("timeout=")) == 0) {
            const unsigned seconds = seconds_of(arguments[i]);
            assert(good == (seconds != 0 && before.timeout == 0));
            assert(!good || options.timeout == seconds);
        }
        const size_t step = length < size ? length + 1 : length;
        data += step;
        size -= step;
    }
    if (good) {
        options_complete(&options);
        assert(options.socket != NULL && options.socket[0] == '/');
        assert(strlen(options.socket) < sizeof(((struct sockaddr_un *)NULL)->sun_path));
        assert(options.timeout >= 1 && options.timeout <= OPTIONS_MAX_TIMEOUT);
    }
    for (int i = 0; i < MOST_ARGUMENTS; i++) {
        free(arguments[i]);
    }
    return 0;
}
