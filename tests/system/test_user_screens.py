"""What people see at ssh, sudo, su and login, letter by letter, and that it comes before the wait.

By the stacks of docs/services. Which test of tests/system takes which program through which moment:

                                         approved,  code right,   the same,   nothing typed,
                                         denied,    wrong, used;  no relay;   no relay
                                         expired    relay there   too late
ssh, key and keyboard-interactive        D S        S             D           D S
ssh, keyboard-interactive and password   P          P             P*          P
ssh, keyboard-interactive alone          S          S-            -           S
ssh without terminal, with an askpass    S          S             S*          S
ssh without terminal, nobody answers     S          -             -           S
scp and git, with a lease                L          L             L*          L
sudo, su, login                          D P        P             D           D P
sudo -S                                  P          P             P*          P
sudo without terminal or password        P          -             -           P

D  test_as_they_are_by_default_and_codes_without_a_relay, here
P  test_with_prompts_behind_a_password_and_codes_beside_a_relay, here
S  test_ssh_screens
L  test_leases
*  the right one only
-  no code is asked for or judged: no first factor has held, or nobody could type it

The rest has no such moments: sshd's method password (test_sshd) and sudo -n (test_sudo) ask nobody,
and psql and IMAP can show nothing (test_postgresql, test_dovecot). Ctrl-C: test_sshd, test_sudo,
test_su.
"""

from pathlib import Path
from typing import Final

from tests.support.documented_site import (
    AFTER_A_KEY,
    INTERACTIVE,
    METHODS,
    SESSION,
    documented_site,
)
from tests.support.moments import People
from tests.support.moved_clocks import moved_clocks
from tests.support.programs_that_ask import (
    APPROVE_OR_CODE,
    REQUEST,
    ssh,
    ssh_behind_password,
    sudo_su_login,
    sudo_without_terminal,
)
from tests.support.sshd import sshd

WITH_PROMPTS: Final = "".join(
    f'[services.{name}]\ndisplay = "prompt"\nfirst_factor = "password"\n'
    'methods = ["approve", "code"]\n'
    for name in ("sshd", "sudo", "su", "login")
)


async def test_as_they_are_by_default_and_codes_without_a_relay(folder: Path) -> None:
    """ssh behind a key prompts; the others show text, and prompt when only a code will do."""
    with moved_clocks(folder / "clocks") as clocks:
        async with (
            documented_site(folder, agent_prefix=clocks.prefix) as site,
            sshd(site.host, site.folder, AFTER_A_KEY) as server,
        ):
            client = server.client(SESSION, methods=METHODS)
            people = People(site, clocks, [ssh("ssh", client), *sudo_su_login(site, REQUEST)])
            await people.each(people.approve, "approved")
            await people.each(people.deny, "denied")
            passcodes = await people.all_expire()
            await site.finds_nothing(passcodes[0])

            await people.no_relay()
            await people.each(people.type_right_code, "code")
            await people.each(people.type_wrong_code, "wrong-code")
            await people.each(people.type_right_code, "code")  # four wrong ones were no pause
            await people.each(people.type_used_code, "wrong-code")
            await people.all_type_late_codes()
            await people.each(people.type_nothing, "unavailable")


async def test_with_prompts_behind_a_password_and_codes_beside_a_relay(folder: Path) -> None:
    """ssh by keyboard-interactive alone; sudo with a terminal and without."""
    with moved_clocks(folder / "clocks") as clocks:
        async with (
            documented_site(folder, WITH_PROMPTS, agent_prefix=clocks.prefix) as site,
            sshd(site.host, site.folder, INTERACTIVE) as server,
        ):
            site.stack("sshd", 1)
            terminals = [
                ssh_behind_password(server.client(SESSION)),
                *sudo_su_login(site, APPROVE_OR_CODE, prompts=True),
            ]
            sudo_s, alone = sudo_without_terminal(site)
            people = People(site, clocks, [*terminals, sudo_s, alone])
            await people.each(people.approve, "approved")
            await people.each(people.deny, "denied")
            await people.all_expire()

            await people.each(people.type_right_code, "code", *terminals, sudo_s)
            await people.each(people.type_wrong_code, "wrong-code", *terminals)
            await people.each(people.type_right_code, "code", sudo_s)
            await people.each(people.type_wrong_code, "wrong-code", sudo_s)
            await people.each(people.type_used_code, "wrong-code", sudo_s)
            await people.each(people.type_right_code, "code", sudo_s)
            await people.each(people.type_used_code, "wrong-code", *terminals)

            await people.no_relay()
            await people.each(people.type_right_code, "code", *terminals, sudo_s)
            await people.each(people.type_nothing, "unavailable")
