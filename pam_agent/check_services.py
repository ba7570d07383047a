"""edge. The mistakes in the service files of a host's PAM."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pam_agent.check_finding import Finding, mistake, note, unchecked
from pam_agent.host_files import Trouble
from pam_agent.pam_files import FOLDERS, PamFiles
from pam_agent.service_policy import KNOWN, policy_of
from pam_agent.settings import Config
from pam_agent.stack_file import OTHER
from pam_agent.stack_findings import Asked, goes_without, is_used, judge

SU: Final = ("su", "su-l")
"""The PAM services of su, for a plain call and for a login shell."""
SUDO: Final = ("sudo", "sudo-i")
"""The same of sudo, where sudoers does not name others."""


@dataclass(frozen=True)
class Services:
    """All services of a host, and what the agent is told of them."""

    config: Config
    pam: PamFiles

    def used(self) -> list[str]:
        """The names of those that have the module, or were meant to have it."""
        return [name for name in self.pam.names() if is_used(name, self.pam.text)]

    def judge(self, name: str, *, proved_before: bool = False) -> Iterator[Finding]:
        """All that is wrong with a service's stack, if all of it can be read."""
        policy = policy_of(name, self.config.services, self.config.timers)
        asked = Asked(name, policy, str(self.config.socket), proved_before=proved_before)
        of_it = PamFiles(self.pam.files)
        found = list(judge(asked, of_it.text))
        yield from () if of_it.closed else found

    def left_out(self, used: list[str], sudo: tuple[str, str]) -> Iterator[Finding]:
        """Programs that ask PAM as two services, of which one has the module. `sudo` are the two of
        sudo; that another one than the usual has no module sudoers is blamed for."""
        calls = {"su": "su", "su-l": "su -", sudo[1]: "sudo -i", sudo[0]: "sudo"}
        for name, other in (sudo, SU):
            for one, left in ((name, other), (other, name)):
                if one in used and left in (*SU, *SUDO) and self._goes_without(left):
                    there = self.pam.text(left) is not None
                    why = "" if there else f" There is no such file, and libpam takes {OTHER}."
                    yield mistake(
                        "left-out",
                        left,
                        f"{FOLDERS[0]}/{left}",
                        f"{one} asks for the factor, and {left} does not: `{calls[left]}` goes"
                        f" without.{why}",
                        f"Write the same lines as in {FOLDERS[0]}/{one}.",
                    )

    def no_files(self) -> Iterator[Finding]:
        """What is there by a service's name, and is no file with its stack."""
        for path, trouble in self.pam.troubles():
            name = path.name
            if trouble is Trouble.GONE:
                taken = f"the vendor's file for {name}" if self.pam.text(name) else OTHER
                wrong = f"this link leads nowhere: libpam takes {taken}."
            elif trouble is Trouble.ODD:
                taken = OTHER
                wrong = f"{trouble.value}: libpam waits there for ever, or takes {OTHER}."
            else:
                continue
            if taken == OTHER and (name in KNOWN or name in self.config.services or name == OTHER):
                instead = "Write the file that was to be there."
                yield mistake("no-file", name, str(path), wrong, instead)
            elif trouble is Trouble.GONE:
                yield note("no-file", name, str(path), wrong)

    def not_read(self) -> Iterator[Finding]:
        """What could not be opened so far; of what it is a part was not judged."""
        for path in dict.fromkeys(self.pam.closed):
            yield unchecked(
                "service-not-read", "", path, f"{Trouble.CLOSED.value}.", "Run this as root."
            )

    def _goes_without(self, name: str) -> bool:
        return not is_used(name, self.pam.text) and goes_without(name, self.pam.text)
