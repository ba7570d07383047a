/*
 * edge. What the system's libpam makes of many stacks: pam_results.py starts it and knows the lines.
 *
 *     pam_results CONFDIR        lines in: the name of a service; out: the codes of pam_authenticate
 *                                and of the pam_setcred that follows a success
 */

#define _GNU_SOURCE
#include <security/pam_appl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

/* libpam and its modules log here, and so nowhere: stacks of all kinds are no news for a system. */
void syslog(int priority, const char *format, ...) {
    (void)priority;
    (void)format;
}

void vsyslog(int priority, const char *format, va_list arguments) {
    (void)priority;
    (void)format;
    (void)arguments;
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __syslog_chk(int priority, int flag, const char *format, ...) {
    (void)priority;
    (void)flag;
    (void)format;
}

void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments);
void __vsyslog_chk(int priority, int flag, const char *format, va_list arguments) {
    (void)priority;
    (void)flag;
    (void)format;
    (void)arguments;
}

/* Takes every text, and has an empty answer to every question. */
static int converse(int count, const struct pam_message **messages,
                    struct pam_response **responses, void *data) {
    (void)messages;
    (void)data;
    *responses = calloc((size_t)count, sizeof **responses);
    for (int i = 0; *responses != NULL && i < count; i++) {
        (*responses)[i].resp = strdup("");
    }
    return *responses == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

static void try(const char *confdir, const char *service) {
    const struct pam_conv conversation = {.conv = converse};
    pam_handle_t *pamh = NULL;
    const int started = pam_start_confdir(service, "nobody", &conversation, confdir, &pamh);
    if (started != PAM_SUCCESS) { /* a file that libpam gives up on */
        printf("%d -1\n", started);
        fflush(stdout);
        return;
    }
    const int authenticated = pam_authenticate(pamh, 0);
    const int set = authenticated == PAM_SUCCESS ? pam_setcred(pamh, PAM_ESTABLISH_CRED) : -1;
    printf("%d %d\n", authenticated, set);
    fflush(stdout);
    pam_end(pamh, authenticated);
}

int main(int argc, char **argv) {
    char service[256];
    if (argc != 2) {
        return 2;
    }
    while (fgets(service, sizeof service, stdin) != NULL) {
        service[strcspn(service, "\n")] = '\0';
        try(argv[1], service);
    }
    return 0;
}
