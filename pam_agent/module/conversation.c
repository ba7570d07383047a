/* shell. The application's conversation, see conversation.h. */

#include "conversation.h"

#include <stdlib.h>
#include <string.h>

#include "secret.h"

/* Frees what the application allocated. Somebody may have typed a password: it is wiped first. */
static void discard(struct pam_response *response) {
    if (response == NULL) {
        return;
    }
    if (response->resp != NULL) {
        explicit_bzero(response->resp, strlen(response->resp));
        free(response->resp);
    }
    free(response);
}

/* One message to the application. NULL is no answer; discard() what is returned. */
static bool converse(pam_handle_t *pamh, int style, const char *text,
                     struct pam_response **response) {
    const void *item = NULL;
    *response = NULL;
    if (pam_get_item(pamh, PAM_CONV, &item) != PAM_SUCCESS || item == NULL) {
        return false;
    }
    const struct pam_conv *conversation = item;
    if (conversation->conv == NULL) {
        return false;
    }
    const struct pam_message message = {.msg_style = style, .msg = text};
    const struct pam_message *messages[] = {&message};
    const int code = conversation->conv(1, messages, response, conversation->appdata_ptr);
    if (code != PAM_SUCCESS) {
        *response = NULL; /* of a failed conversation nothing is defined, so nothing is freed */
        return false;
    }
    return true;
}

bool conversation_show(pam_handle_t *pamh, const char *text, bool is_error) {
    struct pam_response *response;
    const bool shown = converse(pamh, is_error ? PAM_ERROR_MSG : PAM_TEXT_INFO, text, &response);
    discard(response);
    return shown;
}

bool conversation_ask(pam_handle_t *pamh, const char *text, struct conversation_answer *answer) {
    struct pam_response *response;
    bool answered = false;
    answer->length = 0;
    if (converse(pamh, PAM_PROMPT_ECHO_ON, text, &response) && response != NULL &&
        response->resp != NULL) {
        const size_t length = strlen(response->resp);
        if (length <= sizeof answer->bytes) {
            memcpy(answer->bytes, response->resp, length);
            answer->length = length;
            answered = true;
        }
    }
    discard(response);
    return answered;
}

/* Hands the first factor, the first bytes of `typed`, to the modules that follow. */
static bool pass_on(pam_handle_t *pamh, const char *typed) {
    char first[PAM_MAX_RESP_SIZE];
    const size_t length = secret_first_factor(typed);
    if (typed[length] == '\0') {
        return pam_set_item(pamh, PAM_AUTHTOK, typed) == PAM_SUCCESS;
    }
    if (length >= sizeof first) {
        return false;
    }
    memcpy(first, typed, length);
    first[length] = '\0';
    const bool passed_on = pam_set_item(pamh, PAM_AUTHTOK, first) == PAM_SUCCESS;
    explicit_bzero(first, sizeof first);
    return passed_on;
}

bool conversation_take_secret(pam_handle_t *pamh, enum wire_part part, const char *text,
                              struct conversation_answer *answer) {
    struct pam_response *response = NULL;
    const void *before = NULL;
    const char *typed = NULL;
    bool taken = false;
    answer->length = 0;
    if (part == WIRE_TAIL && pam_get_item(pamh, PAM_AUTHTOK, &before) == PAM_SUCCESS) {
        typed = before;
    }
    if (typed == NULL && converse(pamh, PAM_PROMPT_ECHO_OFF, text, &response) &&
        response != NULL) {
        typed = response->resp;
    }
    if (typed != NULL) {
        /* Before PAM_AUTHTOK is set: that wipes the one that `typed` may point to. */
        answer->length = secret_code(part, typed, answer->bytes);
        taken = part != WIRE_TAIL || pass_on(pamh, typed);
    }
    discard(response);
    return taken;
}
