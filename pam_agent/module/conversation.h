/*
 * shell. The application's conversation: shows a text, asks with the answer visible, or asks for a
 * secret.
 *
 * A program that cannot converse (PostgreSQL, Dovecot, sshd's password method) answers a prompt with
 * the answer hidden by what the user typed as password, whatever the prompt says. So the agent has
 * one record for that, for services where the user is told to type a code there (a ticket), and
 * what goes to the agent of the answer is secret.h's matter.
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

/*
 * What the user typed as password, in `answer` what of it is the agent's, empty when there is
 * nothing of that kind in it. False when the conversation failed.
 *
 * WIRE_WHOLE always asks (PAM_PROMPT_ECHO_OFF): a password that a module before this one has is not
 * the agent's. WIRE_TAIL takes that one (PAM_AUTHTOK), or else asks; what stands before the last
 * comma is PAM_AUTHTOK then, for the modules that follow.
 */
bool conversation_take_secret(pam_handle_t *pamh, enum wire_part part, const char *text,
                              struct conversation_answer *answer);

/* Asks with PAM_PROMPT_ECHO_ON. False when the conversation failed or the answer is too long. */
bool conversation_ask(pam_handle_t *pamh, const char *text, struct conversation_answer *answer);

#endif
