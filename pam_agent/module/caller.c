/* edge. What PAM and the process say of the caller, see caller.h. */

#include "caller.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

static const char *item(pam_handle_t *pamh, int kind) {
    const void *value = NULL;
    return pam_get_item(pamh, kind, &value) == PAM_SUCCESS ? value : NULL;
}

static bool is_method_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '@' || c == '_';
}

/*
 * sshd tells of the methods that have succeeded so far in lines such as
 * `publickey ssh-ed25519 AAAA...`. Only the first word of each line is kept, joined by commas: what
 * else there is names a key, and a key can name a person.
 */
static void keep_methods(char out[WIRE_MAX_FIELD + 1], const char *lines) {
    size_t written = 0;
    while (*lines != '\0') {
        size_t word = 0;
        while (lines[word] != '\0' && is_method_character(lines[word])) {
            word++;
        }
        const size_t comma = written > 0 ? 1 : 0;
        if (word > 0 && written + comma + word <= WIRE_MAX_FIELD) {
            if (comma != 0) {
                out[written++] = ',';
            }
            memcpy(out + written, lines, word);
            written += word;
        }
        lines += strcspn(lines, "\n");
        lines += *lines == '\n' ? 1 : 0;
    }
    out[written] = '\0';
}

static bool is_sudo(const char *service) {
    return service != NULL && (strcmp(service, "sudo") == 0 || strcmp(service, "sudo-i") == 0);
}

static bool is_plain_in_a_shell(char c) {
    return is_method_character(c) || (c != '\0' && strchr("+,/:=%", c) != NULL);
}

enum {
    MOST_QUOTED = 4, /* bytes for one of an argument */
    AROUND = 3,      /* its quotes, and the blank before it: no more than its NUL's share */
};

/*
 * Writes one argument as a shell would have to be given it: in single quotes, unless it needs none.
 * So `sh -c 'a b'` and `sh -c a b` are told apart. Returns the bytes written.
 */
static size_t quote(char *out, const char *argument, size_t length) {
    static const char quoted[] = "'\\''";
    size_t plain = 0;
    while (plain < length && is_plain_in_a_shell(argument[plain])) {
        plain++;
    }
    if (length > 0 && plain == length) {
        memcpy(out, argument, length);
        return length;
    }
    size_t written = 0;
    out[written++] = '\'';
    for (size_t at = 0; at < length; at++) {
        if (argument[at] == '\'') {
            memcpy(out + written, quoted, sizeof quoted - 1);
            written += sizeof quoted - 1;
        } else {
            out[written++] = argument[at];
        }
    }
    out[written++] = '\'';
    return written;
}

/*
 * PAM has no word for what is to be done once signed on, but sudo runs PAM in its own process: its
 * command line is what the user typed. More is read than fits, the NUL behind the last argument
 * counted, so that a cut always shows: nothing may hide behind it.
 */
static void keep_command(char out[WIRE_MAX_NOTE + 1]) {
    char line[WIRE_MAX_NOTE + 2];
    char text[MOST_QUOTED * sizeof line + AROUND];
    size_t length = 0;
    const int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    while (length < sizeof line) {
        const ssize_t count = read(file, line + length, sizeof line - length);
        if (count > 0) {
            length += (size_t)count;
        } else if (count == 0 || errno != EINTR) {
            break;
        }
    }
    close(file);
    size_t written = 0;
    for (size_t at = 0; at < length;) {
        const size_t argument = strnlen(line + at, length - at);
        if (written > 0) {
            text[written++] = ' ';
        }
        written += quote(text + written, line + at, argument);
        at += argument + 1;
    }
    text_clean(out, WIRE_MAX_NOTE + 1, text, written);
}

/*
 * Where sudo was called is where it runs the command, unless its policy says otherwise: `./deploy`
 * is another thing in another place. One that cannot be named is left out.
 */
static void keep_directory(char out[WIRE_MAX_FIELD + 1]) {
    char path[PATH_MAX];
    if (getcwd(path, sizeof path) != NULL) {
        text_clean(out, WIRE_MAX_FIELD + 1, path, strlen(path));
    }
}

bool caller_learn(pam_handle_t *pamh, struct caller *caller) {
    const char *user = NULL;
    memset(caller, 0, sizeof *caller);
    if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || user == NULL) {
        return false;
    }
    const char **field = caller->start.field;
    field[WIRE_USER] = user;
    field[WIRE_SERVICE] = item(pamh, PAM_SERVICE);
    field[WIRE_RUSER] = item(pamh, PAM_RUSER);
    field[WIRE_RHOST] = item(pamh, PAM_RHOST);
    field[WIRE_TTY] = item(pamh, PAM_TTY);
    const char *methods = pam_getenv(pamh, "SSH_AUTH_INFO_0");
    if (methods != NULL) {
        keep_methods(caller->first_factor, methods);
        field[WIRE_FIRST_FACTOR] = caller->first_factor;
    }
    if (is_sudo(field[WIRE_SERVICE])) {
        keep_command(caller->note);
        field[WIRE_NOTE] = caller->note;
        keep_directory(caller->directory);
        field[WIRE_DIRECTORY] = caller->directory;
    }
    return true;
}
