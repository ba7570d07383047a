"""edge. sudo's files on a host, and which of them sudo takes for unsafe."""

import socket
import stat
from pathlib import Path

from pam_agent.host_files import HostFiles, Trouble
from pam_agent.sudoers import Files


def of(files: HostFiles) -> Files:
    """Of a host in a folder the owners are not looked at: they may be of whoever unpacked it."""
    is_this = files.root == Path("/")
    name = socket.gethostname() if is_this else files.text(Path("/etc/hostname")) or ""

    def refused(path: str) -> str:
        status = files.status(Path(path))
        if status is None:
            return ""
        if status.st_mode & stat.S_IWOTH:
            return "writable for everybody"
        if is_this and status.st_uid != 0:
            return "not root's"
        if is_this and status.st_mode & stat.S_IWGRP and status.st_gid != 0:
            return "writable for a group"
        return ""

    return Files(
        lambda path: files.text(Path(path)),
        lambda path: files.read(Path(path)) is Trouble.GONE,
        lambda folder: [str(each) for each in files.matching(f"{folder}/*")],
        refused,
        name.strip().partition(".")[0],
    )
