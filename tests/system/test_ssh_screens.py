"""What ssh shows behind a key, without any first factor, and where it has no terminal."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.support.documented_site import (
    INTERACTIVE,
    METHODS,
    NO_TERMINAL,
    SESSION,
    documented_site,
    reads,
)
from tests.support.moments import DENIED, People
from tests.support.moved_clocks import moved_clocks
from tests.support.programs_that_ask import APPROVE, SSH_REFUSED, Program, ssh
from tests.support.sshd import sshd
from tests.support.terminal import ENTER

EITHER: Final = INTERACTIVE.replace("Methods ", f"Methods {METHODS} ", 1)
"""The client chooses."""

ANSWERS: Final = """\
#!/bin/sh
printf %s "$1" >"$WINDOW"
read -r answer <"$WINDOW"
echo "$answer"
"""
SHOWS: Final = """\
#!/bin/sh
echo "$1" >"$WINDOW"
echo
"""
"""As ssh does by itself, it answers with nothing; but the question is to be seen."""


def without_terminal(client: Sequence[str], askpass: Path | None = None) -> list[str]:
    """`client` by pipes alone. The window of `askpass` is the screen."""
    ssh_alone = f"{shlex.join(client)} </dev/null 2>&1 | cat"
    shown = [] if askpass is None else [f"SSH_ASKPASS={askpass}", "SSH_ASKPASS_REQUIRE=force"]
    detached = [*NO_TERMINAL, "bash", "-o", "pipefail", "-c", ssh_alone]
    return ["sh", "-c", 'WINDOW=$(tty) exec "$@"', "sh", "env", *shown, *detached]


def program(file: Path, text: str) -> Path:
    file.write_text(text)
    file.chmod(0o755)
    return file


async def test_each_moment_behind_a_key_alone_and_without_a_terminal(folder: Path) -> None:
    """Where no first factor held, no code is taken: what is typed does not matter. And an empty
    answer is no yes."""
    with moved_clocks(folder / "clocks") as clocks:
        async with (
            documented_site(folder, agent_prefix=clocks.prefix) as site,
            sshd(site.host, site.folder, EITHER) as server,
        ):
            client = server.client(SESSION, methods=METHODS)
            key = ssh("key", client)
            window = ssh("window", without_terminal(client, program(folder / "answers", ANSWERS)))
            shows = without_terminal(client, program(folder / "shows", SHOWS))
            unanswered = replace(window, command=shows, asks=f"{window.asks}\n", prompts=False)
            alone = replace(
                ssh("alone", server.client(SESSION), asks=APPROVE),
                asks_code="",
                refuses=SSH_REFUSED.replace("(", "(publickey,"),
            )
            people = People(site, clocks, [key, window, unanswered, alone])
            await people.each(people.approve, "approved")
            await people.each(people.deny, "denied")
            await people.all_expire()

            async def type_what_does_not_count(program: Program) -> None:
                async with program.run() as screen:
                    passcode = (await reads(screen, program.asks))["passcode"]
                    code = await site.response(passcode)
                    await screen.type(code + ENTER)
                    await site.deny(passcode)
                    await program.refused(screen, f"{program.asks}{code}\n{DENIED}")

            await people.each(type_what_does_not_count, "denied", alone)
            await people.each(people.type_right_code, "code", key, window)
            await people.each(people.type_wrong_code, "wrong-code", key, window)
            await people.each(people.type_used_code, "wrong-code", key, window)

            await people.no_relay()
            await people.each(people.type_right_code, "code", key, window)
            nowhere = replace(key, command=without_terminal(client), asks_code="")
            await people.each(people.type_nothing, "unavailable", key, window, alone, nowhere)
