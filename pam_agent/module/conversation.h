/*
 * shell. The application's conversation: shows a text, or asks with the answer visible.
 *
 * There is no way to ask with the answer hidden, and there must not be one: a program that cannot
 * converse (PostgreSQL, Dovecot, sshd's password method) answers such a prompt with the user's
 * password, whatever it says.
 */

#ifndef BARTIZAN_CONVERSATION_H
#define BARTIZAN_CONVERSATION_H

#include <security/pam_modules.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

/* Shows a text; `is_error` as an error. False when the conversation failed. */
bool conversation_show(pam_handle_t *pamh, const char *text, bool is_error);

/* What was typed; wipe it with explicit_bzero when it is sent. */
struct conversation_answer {
    size_t length;
    char bytes[WIRE_MAX_ANSWER];
};

/* Asks with PAM_PROMPT_ECHO_ON. False when the conversation failed or the answer is too long. */
bool conversation_ask(pam_handle_t *pamh, const char *text, struct conversation_answer *answer);

#endif
