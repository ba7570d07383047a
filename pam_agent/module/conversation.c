/* shell. The application's conversation, see conversation.h. */

#include "conversation.h"

#include <stdlib.h>
#include <string.h>

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
