"""PAM stacks as the pages about services have them, on a SystemHost with Debian's common-auth."""

import subprocess
from typing import Final

from tests.support.namespace import USER, SystemHost
from tests.support.service_pages import blocks

PASSWORD: Final = "correct horse battery"
"""Of ada, once `give_password` was called."""

_COMMON_AUTH: Final = """\
auth [success=1 default=ignore] pam_unix.so nullok nodelay
auth requisite pam_deny.so
auth required pam_permit.so
"""


def stack(page: str, file: str, auth_line: str, variant: int = 0) -> str:
    """The `variant`-th auth part that the page has for /etc/pam.d/FILE, with the test's module in
    the place of the installed one; `auth_line` is `auth required MODULE OPTIONS`."""
    found = [each.text for each in blocks("pam", page) if each.name == file]
    module = auth_line.strip().removeprefix("auth required ")
    return found[variant].replace("pam_bartizan.so", module)


def give_password(host: SystemHost) -> None:
    """ada has PASSWORD, and /etc/pam.d/common-auth is Debian's, without its pauses."""
    host.service("common-auth", _COMMON_AUTH)
    made = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=PASSWORD.encode(), stdout=-1, check=True
    )
    shadow = host.etc / "shadow"
    lines = shadow.read_text().replace(f"{USER}:*:", f"{USER}:{made.stdout.decode().strip()}:")
    shadow.write_text(lines)
