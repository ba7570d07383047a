/*
 * edge. pam_bartizan.so: asks the host's agent for an out-of-band sign-on.
 *
 * The module carries texts between the application's conversation and the agent's socket, and
 * turns the agent's last byte into a PAM code. It holds no key, makes no decision, starts no
 * thread, installs no signal handler and keeps nothing between calls. The outcome is a denial
 * until the agent has said something else in a whole record, in time.
 *
 * Only pam_sm_authenticate and pam_sm_setcred exist. A stack that names the module under account,
 * password or session fails to find its entry point, which libpam treats as a failure: better a
 * stack that refuses everybody than one whose factor does nothing.
 */

#include <errno.h>
#include <security/pam_ext.h>
#include <security/pam_modules.h>
#include <stdbool.h>
#include <string.h>
#include <syslog.h>

#include "agent.h"
#include "caller.h"
#include "conversation.h"
#include "options.h"
#include "text.h"
#include "wire.h"

enum {
    LOGGED_USER = 64 + 1, /* bytes of a user's name in the log; it may come from a stranger */
};

enum outcome {
    DENIED,
    APPROVED,
    NOT_REQUIRED,
    NO_RELAY,
    AGENT_FAILED,
    AGENT_DOWN,
    AGENT_UNREACHED,
    AGENT_LOST,
    AGENT_GARBLED,
    TIMED_OUT,
    INTERRUPTED,
    CONVERSATION_FAILED,
    NO_USER,
    BAD_NAME,
    BAD_OPTION,
    OUTCOMES,
};

/*
 * One word for every end, and what PAM is told. PAM_AUTHINFO_UNAVAIL may be taken by an
 * administrator's stack as leave to go on without this factor. So it stands for two things only,
 * which nobody can bring about by the way they sign on: nobody listens at the agent's socket, or
 * the agent itself says that its links to all relays are down. (Whoever can cut the host off from
 * its relays can: that is for the administrator to weigh.) An interrupted sign-on is never
 * "unavailable".
 */
static const struct ending {
    const char *word;
    int code;
    int priority;
} ENDINGS[OUTCOMES] = {
    [DENIED] = {"denied", PAM_AUTH_ERR, LOG_NOTICE},
    [APPROVED] = {"approved", PAM_SUCCESS, LOG_INFO},
    [NOT_REQUIRED] = {"not-required", PAM_IGNORE, LOG_INFO},
    [NO_RELAY] = {"no-relay", PAM_AUTHINFO_UNAVAIL, LOG_ERR},
    [AGENT_FAILED] = {"agent-failed", PAM_SYSTEM_ERR, LOG_ERR},
    [AGENT_DOWN] = {"agent-down", PAM_AUTHINFO_UNAVAIL, LOG_ERR},
    [AGENT_UNREACHED] = {"agent-unreached", PAM_SYSTEM_ERR, LOG_ERR},
    [AGENT_LOST] = {"agent-lost", PAM_AUTH_ERR, LOG_ERR},
    [AGENT_GARBLED] = {"agent-garbled", PAM_AUTH_ERR, LOG_ERR},
    [TIMED_OUT] = {"timed-out", PAM_AUTH_ERR, LOG_NOTICE},
    [INTERRUPTED] = {"interrupted", PAM_AUTH_ERR, LOG_NOTICE},
    [CONVERSATION_FAILED] = {"conversation-failed", PAM_CONV_ERR, LOG_NOTICE},
    [NO_USER] = {"no-user", PAM_AUTH_ERR, LOG_NOTICE},
    [BAD_NAME] = {"bad-name", PAM_AUTH_ERR, LOG_NOTICE},
    [BAD_OPTION] = {"bad-option", PAM_SYSTEM_ERR, LOG_ERR},
};

static bool parse_options(pam_handle_t *pamh, struct options *options, int argc,
                          const char **argv) {
    *options = (struct options){0};
    for (int i = 0; i < argc; i++) {
        const char *wrong = options_take(options, argv[i]);
        if (wrong != NULL) {
            pam_syslog(pamh, LOG_ERR, "option '%s' %s: correct the PAM service file", argv[i],
                       wrong);
            return false;
        }
    }
    options_complete(options);
    return true;
}

static enum outcome outcome_of_result(uint8_t result) {
    switch (result) {
    case WIRE_APPROVED:
        return APPROVED;
    case WIRE_IGNORED:
        return NOT_REQUIRED;
    case WIRE_UNAVAILABLE:
        return NO_RELAY;
    case WIRE_CONVERSATION_FAILED:
        return CONVERSATION_FAILED;
    case WIRE_AGENT_FAILED:
        return AGENT_FAILED;
    case WIRE_DENIED:
    default:
        return DENIED;
    }
}

/* The outcome of a step with the agent that went wrong. */
static enum outcome outcome_of_status(enum agent_status status) {
    switch (status) {
    case AGENT_ABSENT:
        return AGENT_DOWN;
    case AGENT_UNREACHABLE:
        return AGENT_UNREACHED;
    case AGENT_LATE:
        return TIMED_OUT;
    case AGENT_INTERRUPTED:
        return INTERRUPTED;
    case AGENT_GONE:
        return AGENT_LOST;
    case AGENT_BROKEN:
        return AGENT_GARBLED;
    case AGENT_OK:
    default:
        return DENIED;
    }
}

/*
 * Asks what the record wants, and sends the answer or the word that there is none. How the sending
 * went does not matter: an agent that has decided while the prompt was open has hung up, and its
 * result still waits to be read.
 */
static bool ask(pam_handle_t *pamh, const struct agent *agent, const struct wire_reader *reader) {
    uint8_t record[WIRE_MAX_RECORD];
    struct conversation_answer answer;
    const char *text = wire_text(reader);
    const bool answered =
        wire_type(reader) == WIRE_SECRET
            ? conversation_take_secret(pamh, wire_part(reader), text, &answer)
            : conversation_ask(pamh, text, &answer);
    const size_t length = answered ? wire_encode_answer(record, answer.bytes, answer.length)
                                   : wire_encode_failed(record);
    agent_send(agent, record, length);
    explicit_bzero(record, sizeof record);
    explicit_bzero(&answer, sizeof answer);
    return answered;
}

static bool show(pam_handle_t *pamh, const struct agent *agent, const char *text, bool is_error) {
    uint8_t record[WIRE_HEADER];
    const bool shown = conversation_show(pamh, text, is_error);
    if (!shown) {
        agent_send(agent, record, wire_encode_failed(record));
    }
    return shown;
}

/* Does what the agent's records say, up to the result. */
static enum outcome converse(pam_handle_t *pamh, const struct options *options,
                             const struct agent *agent) {
    struct wire_reader reader = {0};
    for (;;) {
        const enum agent_status status = agent_receive(agent, &reader);
        if (status != AGENT_OK) {
            return outcome_of_status(status);
        }
        const enum wire_type type = wire_type(&reader);
        bool conversed = false;
        if (options->debug) {
            pam_syslog(pamh, LOG_DEBUG, "record %c from the agent", (char)type);
        }
        switch (type) {
        case WIRE_INFO:
        case WIRE_ERROR:
            conversed = show(pamh, agent, wire_text(&reader), type == WIRE_ERROR);
            break;
        case WIRE_PROMPT:
        case WIRE_SECRET:
            conversed = ask(pamh, agent, &reader);
            break;
        case WIRE_RESULT:
            return outcome_of_result(wire_result(&reader));
        case WIRE_START:
        case WIRE_ANSWER:
        case WIRE_FAILED:
        default:
            return AGENT_GARBLED;
        }
        if (!conversed) {
            return CONVERSATION_FAILED;
        }
    }
}

static enum outcome sign_on(pam_handle_t *pamh, const struct options *options,
                            struct timespec deadline, const struct wire_start *start) {
    uint8_t record[WIRE_MAX_RECORD];
    struct agent agent;
    const size_t length = wire_encode_start(record, start);
    if (length == 0) {
        return BAD_NAME;
    }
    enum agent_status status = agent_connect(&agent, options->socket, deadline);
    if (status == AGENT_UNREACHABLE) {
        pam_syslog(pamh, LOG_ERR, "cannot connect to the agent at %s: %s", options->socket,
                   strerror(errno));
    }
    enum outcome outcome = outcome_of_status(status);
    if (status == AGENT_OK) {
        status = agent_send(&agent, record, length);
        outcome = outcome_of_status(status);
    }
    if (status == AGENT_OK) {
        outcome = converse(pamh, options, &agent);
    }
    agent_close(&agent);
    return outcome;
}

/*
 * PAM_SILENT is ignored on purpose. It asks a module to show nothing, and sudo sets it on every
 * call; but a sign-on whose passcode nobody sees cannot be approved. PAM_DISALLOW_NULL_AUTHTOK
 * does not apply: an empty token is no code, and the agent lets nobody in for it.
 */
int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    char user[LOGGED_USER] = "";
    struct options options;
    struct caller caller;
    enum outcome outcome = DENIED;
    (void)flags;
    if (!parse_options(pamh, &options, argc, argv)) {
        outcome = BAD_OPTION;
    } else {
        const struct timespec deadline = agent_deadline(options.timeout);
        if (caller_learn(pamh, &caller)) {
            const char *name = caller.start.field[WIRE_USER];
            text_clean(user, sizeof user, name, strlen(name));
            outcome = sign_on(pamh, &options, deadline, &caller.start);
        } else {
            outcome = NO_USER;
        }
    }
    const struct ending *ending = &ENDINGS[outcome];
    pam_syslog(pamh, ending->priority, "outcome=%s user=%s", ending->word, user);
    return ending->code;
}

/*
 * There are no credentials to set, and still the answer is PAM_SUCCESS and not PAM_IGNORE. After
 * pam_authenticate, libpam walks the same chain again for pam_setcred, by the results that
 * pam_authenticate left behind. If this module is the only one in it and ignores the call, then
 * nothing is left that succeeded: libpam refuses, and sshd gives up on a user who has just been
 * approved. Nothing is granted here: sshd and sudo also call pam_setcred for users they did not
 * authenticate through PAM (a public key, sudo's NOPASSWD), and decide by pam_authenticate alone.
 */
int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv) {
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_SUCCESS;
}
