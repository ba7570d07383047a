/*
 * The commands, the loop and the figures of the load generator; see load.h.
 *
 *   load links PORT FD...   validators connect to PORT; the FDs are agents' attached links
 *   load pairs PORT | load transit PORT | load direct PORT
 *
 * Reads commands from standard input, and answers each with one line of JSON:
 *
 *   wait COUNT              let COUNT requests wait in all, for which nobody comes
 *   run COUNT IN_FLIGHT [MILLISECONDS]
 *                           play COUNT sign-ons; without any event for so long, one got lost
 *
 * A byte that is wrong, late or missing ends it with a line on standard error and exit code 1.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "load.h"
#include "net.h"

enum {
    BATCH = 256,
    STILL_MS = 10000, /* unless told otherwise: a machine can be very busy */
    WINDOW = 256,     /* requests of the background that are not confirmed yet */
    CHUNK = 512,      /* connections of the background between two sign-ons: below any backlog */
};

enum mode mode;
int epoll;
struct sign_on slots[MAX_IN_FLIGHT];

static uint32_t serial, to_start, to_finish, waiting;
static int still_ms = STILL_MS;
static uint64_t *exchange, *whole; /* ns, one for each sign-on of this run */
static uint32_t recorded;

void random_tag(uint8_t *tag) {
    if (getrandom(tag, TAG, 0) != TAG) {
        die("no random bytes");
    }
}

static void begin(struct sign_on *sign_on) {
    const uint32_t slot = (uint32_t)(sign_on - slots);
    to_start--;
    serial++;
    sign_on->number = serial << SLOT_BITS | slot;
    sign_on->told = 0;
    random_tag(sign_on->tag);
    sign_on->began = now_ns();
    switch (mode) {
    case LINKS:
        request_on_link(sign_on);
        break;
    case PAIRS:
    case TRANSIT:
        start_agent(sign_on);
        start_validator(sign_on);
        break;
    case DIRECT:
        start_validator(sign_on);
        break;
    }
}

void finished(struct sign_on *sign_on) {
    exchange[recorded] = sign_on->told - sign_on->connected;
    whole[recorded] = now_ns() - sign_on->began;
    recorded++;
    to_finish--;
    if (to_start > 0) {
        begin(sign_on);
    }
}

/* One batch of events. */
static void turn(void) {
    struct epoll_event events[BATCH];
    flush_links();
    const int count = epoll_wait(epoll, events, BATCH, still_ms);
    if (count == 0 || (count < 0 && errno != EINTR)) {
        die("nothing moved for %d ms, with %u sign-ons to go", still_ms, to_finish);
    }
    for (int i = 0; i < count; i++) {
        if (*(enum kind *)events[i].data.ptr == A_LINK) {
            link_readable(events[i].data.ptr);
        } else {
            party_readable(events[i].data.ptr);
        }
    }
}

static void play(uint32_t count, uint32_t in_flight) {
    free(exchange);
    free(whole);
    exchange = calloc(count, sizeof *exchange);
    whole = calloc(count, sizeof *whole);
    if (exchange == NULL || whole == NULL) {
        die("out of memory");
    }
    recorded = 0;
    to_start = to_finish = count;
    for (uint32_t i = 0; i < in_flight && to_start > 0; i++) {
        begin(&slots[i]);
    }
    while (to_finish > 0) {
        turn();
    }
}

/* ---- the commands --------------------------------------------------------------------------- */

static int compare(const void *left, const void *right) {
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Sorts, and prints `"NAME_us":{"p50":..,"p99":..,"max":..}`. */
static void print_times(const char *name, uint64_t *times, uint32_t count) {
    qsort(times, count, sizeof *times, compare);
    printf(",\"%s_us\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f}", name, times[count / 2] / 1e3,
           times[(uint64_t)count * 99 / 100] / 1e3, times[count - 1] / 1e3);
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void run(uint32_t count, uint32_t in_flight) {
    const double cpu = cpu_seconds();
    const uint64_t start = now_ns();
    play(count, in_flight);
    const double seconds = (double)(now_ns() - start) / 1e9;
    printf("{\"sign_ons\":%" PRIu32 ",\"seconds\":%.6f,\"load_cpu_us\":%.3f", count, seconds,
           (cpu_seconds() - cpu) * 1e6 / count);
    print_times("exchange", exchange, count);
    print_times("whole", whole, count);
    printf("}\n");
}

static void wait_for(uint32_t count) {
    for (; waiting < count; waiting++) {
        if (mode == LINKS) {
            queue_background();
            while (waiting + 1 - background_queued >= WINDOW) {
                turn();
            }
        } else {
            open_background();
            if (waiting % CHUNK == 0 || waiting + 1 == count) {
                play(1, 1); /* accepted in order: when this is through, those before are in */
            }
        }
    }
    while (mode == LINKS && background_queued < waiting) {
        turn();
    }
    printf("{\"waiting\":%" PRIu32 "}\n", waiting);
}

static void raise_file_limit(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static enum mode mode_called(const char *name) {
    static const char *const names[] = {"links", "pairs", "transit", "direct"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return (enum mode)i;
        }
    }
    die("no such mode: %s", name);
}

int main(int count, char **arguments) {
    if (count < 3) {
        die("usage: load MODE PORT [FD...]");
    }
    mode = mode_called(arguments[1]);
    set_port((uint16_t)atoi(arguments[2]));
    raise_file_limit();
    epoll = new_epoll();
    if (mode == LINKS) {
        adopt_links(count - 3, arguments + 3);
    }
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL) {
        uint32_t sign_ons, in_flight;
        if (sscanf(line, "run %" SCNu32 " %" SCNu32 " %d", &sign_ons, &in_flight, &still_ms) >= 2 &&
            sign_ons > 0 && in_flight > 0 && in_flight <= MAX_IN_FLIGHT) {
            run(sign_ons, in_flight);
        } else if (sscanf(line, "wait %" SCNu32, &sign_ons) == 1 && mode != DIRECT) {
            wait_for(sign_ons);
        } else {
            die("no such command: %s", line);
        }
        fflush(stdout);
    }
    return 0;
}
