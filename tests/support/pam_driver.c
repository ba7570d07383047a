/*
 * edge. Runs a real PAM stack for the tests: the system's libpam, a private folder of service
 * files, and a conversation that the parent process holds. pam.py starts it and knows the lines.
 *
 *     pam_driver CONFDIR SERVICE USER [ANYTHING...]        an empty USER: the module has to ask
 *
 * Lines in:   item NAME HEX | env HEX | timer MICROSECONDS | limit DESCRIPTORS | close DESCRIPTOR | block
 *             call NAME FLAGS                 authenticate, setcred, acct_mgmt, open_session,
 *                                             chauthtok; end of input: pam_end
 *             answer HEX | null | nothing | fail CODE      one of these to every message
 * Lines out:  message STYLE SECONDS HEX | log PRIORITY HEX | result CODE SECONDS DESCRIPTORS ALARMS PENDING
 * SECONDS is CLOCK_MONOTONIC, in decimals; PENDING is 1 while SIGINT or SIGQUIT is.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <security/pam_appl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { OWN_DESCRIPTOR = 10 };

static volatile sig_atomic_t alarms;
static FILE *parent_says;
static FILE *tell_parent;

static void count_alarm(int number) {
    (void)number;
    alarms++;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void give_up(const char *why) {
    fprintf(stderr, "pam_driver: %s\n", why);
    exit(2);
}

static void print_hex(const char *text) {
    for (; *text != '\0'; text++) {
        fprintf(tell_parent, "%02x", (unsigned char)*text);
    }
    fprintf(tell_parent, "\n");
    fflush(tell_parent);
}

/* libpam and the module log through these: what would go to the system's log goes to the test. */
static void tell_log(int priority, const char *format, va_list arguments) {
    char *text;
    if (vasprintf(&text, format, arguments) < 0) {
        give_up("no memory");
    }
    fprintf(tell_parent, "log %d ", priority);
    print_hex(text);
    free(text);
}

void syslog(int priority, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    tell_log(priority, format, arguments);
    va_end(arguments);
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...) {
    va_list arguments;
    (void)flag;
    va_start(arguments, format);
    tell_log(priority, format, arguments);
    va_end(arguments);
}

/* The next line without its end, cut after the first word; NULL at the end of the input. */
static char *next_line(char **rest) {
    static char *line;
    static size_t room;
    ssize_t length;
    do { /* the timer's signal interrupts this read too */
        clearerr(parent_says);
        length = getline(&line, &room, parent_says);
    } while (length < 0 && !feof(parent_says));
    if (length < 0) {
        return NULL;
    }
    line[strcspn(line, "\n")] = '\0';
    *rest = line + strcspn(line, " ");
    if (**rest == ' ') {
        *(*rest)++ = '\0';
    }
    return line;
}

static char *from_hex(const char *hex) {
    const size_t length = strlen(hex) / 2;
    char *text = calloc(length + 1, 1);
    for (size_t i = 0; text != NULL && i < length; i++) {
        const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        text[i] = (char)strtol(digits, NULL, 16);
    }
    return text;
}

static int converse(int count, const struct pam_message **messages,
                    struct pam_response **responses, void *data) {
    char *rest;
    (void)data;
    if (count != 1) {
        give_up("the module sends one message at a time");
    }
    fprintf(tell_parent, "message %d %.6f ", messages[0]->msg_style, now());
    print_hex(messages[0]->msg);
    const char *word = next_line(&rest);
    if (word == NULL) {
        exit(3); /* the parent hung up: this process dies as a caller does */
    }
    if (strcmp(word, "fail") == 0) {
        return atoi(rest);
    }
    if (strcmp(word, "nothing") == 0) {
        *responses = NULL;
        return PAM_SUCCESS;
    }
    struct pam_response *response = calloc(1, sizeof *response);
    if (strcmp(word, "answer") == 0) {
        response->resp = from_hex(rest);
    } else if (strcmp(word, "null") != 0) {
        give_up("a message is waiting for its answer");
    }
    *responses = response;
    return PAM_SUCCESS;
}

static const struct {
    const char *name;
    int (*call)(pam_handle_t *, int);
} CALLS[] = {
    {"authenticate", pam_authenticate}, {"setcred", pam_setcred}, {"acct_mgmt", pam_acct_mgmt},
    {"open_session", pam_open_session}, {"chauthtok", pam_chauthtok},
};

static const struct {
    const char *name;
    int item;
} ITEMS[] = {{"ruser", PAM_RUSER}, {"rhost", PAM_RHOST}, {"tty", PAM_TTY}};

/* How many are open, or -1 under a limit that forbids to look. */
static int descriptors(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return -1;
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static int is_interrupted(void) {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) || sigismember(&pending, SIGQUIT);
}

/* As sudo does while PAM authenticates. */
static void block_interrupts(void) {
    sigset_t interrupts;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGQUIT);
    sigprocmask(SIG_BLOCK, &interrupts, NULL);
}

static void call(pam_handle_t *pamh, char *arguments) {
    const char *name = strsep(&arguments, " ");
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
        if (strcmp(name, CALLS[i].name) == 0) {
            alarms = 0;
            const int code = CALLS[i].call(pamh, atoi(arguments));
            fprintf(tell_parent, "result %d %.6f %d %d %d\n", code, now(), descriptors(), (int)alarms,
                    is_interrupted());
            fflush(tell_parent);
            return;
        }
    }
    give_up("unknown call");
}

static void set_item(pam_handle_t *pamh, char *arguments) {
    const char *name = strsep(&arguments, " ");
    char *value = from_hex(arguments);
    for (size_t i = 0; i < sizeof ITEMS / sizeof *ITEMS; i++) {
        if (strcmp(name, ITEMS[i].name) == 0) {
            pam_set_item(pamh, ITEMS[i].item, value);
            free(value);
            return;
        }
    }
    give_up("unknown item");
}

static void start_timer(long microseconds) {
    const struct timeval every = {.tv_sec = microseconds / 1000000,
                                  .tv_usec = microseconds % 1000000};
    const struct itimerval timer = {.it_interval = every, .it_value = every};
    struct sigaction action = {.sa_handler = count_alarm}; /* no SA_RESTART: calls do fail */
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void limit_descriptors(rlim_t most) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv) {
    const struct pam_conv conversation = {.conv = converse};
    pam_handle_t *pamh = NULL;
    char *word;
    char *rest;
    if (argc < 4) {
        give_up("CONFDIR, SERVICE and USER are needed");
    }
    /* Out of the way, so that a test can close descriptors 0 to 2. */
    parent_says = fdopen(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, OWN_DESCRIPTOR), "r");
    tell_parent = fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, OWN_DESCRIPTOR), "w");
    const char *user = argv[3][0] == '\0' ? NULL : argv[3];
    if (pam_start_confdir(argv[2], user, &conversation, argv[1], &pamh) != PAM_SUCCESS) {
        give_up("pam_start_confdir failed");
    }
    while ((word = next_line(&rest)) != NULL) {
        if (strcmp(word, "call") == 0) {
            call(pamh, rest);
        } else if (strcmp(word, "item") == 0) {
            set_item(pamh, rest);
        } else if (strcmp(word, "env") == 0) {
            char *setting = from_hex(rest);
            pam_putenv(pamh, setting);
            free(setting);
        } else if (strcmp(word, "timer") == 0) {
            start_timer(atol(rest));
        } else if (strcmp(word, "block") == 0) {
            block_interrupts();
        } else if (strcmp(word, "limit") == 0) {
            limit_descriptors((rlim_t)atol(rest));
        } else if (strcmp(word, "close") == 0) {
            close(atoi(rest));
        } else {
            give_up("unknown line");
        }
    }
    return pam_end(pamh, PAM_SUCCESS) == PAM_SUCCESS ? 0 : 2;
}
