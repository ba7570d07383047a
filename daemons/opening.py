"""edge. Opens a file that an operator names, without waiting for anybody."""

import errno
import os
import stat


def at_once(name: str, flags: int) -> int:
    """An `opener` for open(). A pipe is refused: opening it waits until somebody writes there, and
    its content is gone when it has been read. Raises OSError."""
    descriptor = os.open(name, flags | os.O_NONBLOCK)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a pipe, expected a file")
    os.set_blocking(descriptor, True)
    return descriptor
