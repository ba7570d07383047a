"""edge. A PAM application, in the manner of login: one sign-on through the system's own libpam.

    pam_application.py CONFDIR SERVICE USER DESCRIPTOR

The conversation is held on standard input and output. What happened when is told on DESCRIPTOR,
one JSON object a line. CONFDIR stands for /etc/pam.d, so no root is needed. Exit code 0 when PAM
let the user in, else 1. Ctrl-C ends it at once, as it ends any such program.
"""

import ctypes
import json
import os
import signal
import sys
import time
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_void_p
from typing import Final

SUCCESS: Final = 0
BUFFER_ERROR: Final = 5
CONVERSATION_ERROR: Final = 19
PROMPT_ECHO_ON: Final = 2
ERROR_MESSAGE: Final = 3
TEXT_INFO: Final = 4
PAM_TTY: Final = 3


class Message(Structure):
    """struct pam_message."""

    _fields_ = (("style", c_int), ("text", c_char_p))


class Response(Structure):
    """struct pam_response. `text` is the module's to free."""

    _fields_ = (("text", c_void_p), ("code", c_int))


CONVERSE: Final = CFUNCTYPE(
    c_int, c_int, POINTER(POINTER(Message)), POINTER(POINTER(Response)), c_void_p
)


class Conversation(Structure):
    """struct pam_conv."""

    _fields_ = (("converse", CONVERSE), ("data", c_void_p))


_libc: Final = ctypes.CDLL(None)
_libc.calloc.argtypes = [c_size_t, c_size_t]
_libc.calloc.restype = c_void_p
_libc.strdup.argtypes = [c_char_p]
_libc.strdup.restype = c_void_p


def tell(event: str, **fields: object) -> None:
    """A line on DESCRIPTOR; `at` in Unix seconds."""
    line = json.dumps({"event": event, "at": time.time(), **fields}) + "\n"
    os.write(int(sys.argv[4]), line.encode())


def show(message: "Message") -> bytes | None:
    """Show one message; what the user answers to a prompt, None to anything else.

    Raises EOFError when the user is gone, ValueError for a prompt that hides the answer: the
    module never asks one.
    """
    text = message.text.decode(errors="replace")
    if message.style in (TEXT_INFO, ERROR_MESSAGE):
        print(text, flush=True)
        tell("shown", text=text)
        return None
    if message.style != PROMPT_ECHO_ON:
        raise ValueError
    print(text, end="", flush=True)
    tell("shown", text=text)
    answer = sys.stdin.readline()
    if not sys.stdin.isatty():
        print(flush=True)  # a terminal has shown the user's Enter itself
    if not answer:
        raise EOFError
    tell("answered")
    return answer.rstrip("\n").encode()


@CONVERSE
def converse(count, messages, responses, _data):  # type: ignore[no-untyped-def]
    """The conversation function, see pam_conv(3)."""
    answers = _libc.calloc(count, ctypes.sizeof(Response))
    if not answers:
        return BUFFER_ERROR
    responses[0] = ctypes.cast(answers, POINTER(Response))
    for index in range(count):
        try:
            answer = show(messages[index].contents)
        except (EOFError, OSError, ValueError):
            return CONVERSATION_ERROR
        if answer is not None:
            responses[0][index].text = _libc.strdup(answer)
    return SUCCESS


def main() -> int:
    # Python would hold Ctrl-C back until libpam returns.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    confdir, service, user = (os.fsencode(word) for word in sys.argv[1:4])
    pam = ctypes.CDLL("libpam.so.0")
    handle = c_void_p()
    conversation = Conversation(converse, None)
    code = pam.pam_start_confdir(service, user, byref(conversation), confdir, byref(handle))
    if code == SUCCESS:
        if sys.stdin.isatty():
            pam.pam_set_item(handle, PAM_TTY, os.fsencode(os.ttyname(sys.stdin.fileno())))
        tell("asked")
        code = pam.pam_authenticate(handle, 0)
        pam.pam_strerror.restype = c_char_p
        tell("result", code=code, text=pam.pam_strerror(handle, code).decode())
        pam.pam_end(handle, code)
    return 0 if code == SUCCESS else 1


if __name__ == "__main__":
    sys.exit(main())
