"""edge. Makes docs/outcomes.md, the table of every end, out of the code that decides and explains.

With --check nothing is written: if it differs that is said, and the exit code is 1.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pam_agent.conversation import ENDINGS
from pam_agent.event_explanations import EVENTS
from pam_agent.explanations import ENROLMENTS, SIGN_ONS, Explanation
from pam_agent.message_ids import JOURNAL_FORM
from pam_agent.outcomes import result_of
from relay.explanations import REQUESTS
from relay.explanations import Explanation as RelayExplanation

PAGE: Final = Path(__file__).parent / "outcomes.md"

INTRODUCTION: Final = """\
# Every end, and what to do about it

Each sign-on ends with one of these words. It is the `outcome` in the agent's log and in its
metrics, and `bartizan-agent why SIGN-ON-ID` says it with the steps that led there. The id, 13
letters and digits, is the same on the user's terminal, in the agent's log, in the relay's log and
on the device.

What a user sees is kept short on purpose: it is the same for an unknown user, for one without a
device, and for one whose device nobody answered. The last column has the words that the relay may
use for its part (`relay/outcomes.py`); a relay never knows more than that a device came and who
hung up.

This page is made from the code by `make reference`.
"""


AT_A_RELAY: Final = """\
## Requests at a relay

A sign-on or an enrolment is a request at each of the agent's relays, and each request ends with one
of these words: it is the `outcome` of `request ended` in the relay's log and of
`bartizan_relay_requests_total` in its metrics, and `bartizan-relay why SIGN-ON-ID` says it. The
third column has what the agent may say of a sign-on under the same id. After some ends the agent
queues the request again while there is time: then it is another request with the same id, `why`
tells of both, and the last one counts.
"""


LOG: Final = """\
## The agent's log

These are all its lines. `journalctl MESSAGE_ID=...` finds those of a kind.
"""


def page() -> str:
    sign_ons = (
        row(end.value, explained, ENDINGS[end], result_of(end).name.lower().replace("_", " "))
        for end, explained in SIGN_ONS.items()
    )
    enrolments = (row(str(word), explained) for word, explained in ENROLMENTS.items())
    return "\n".join(
        [
            INTRODUCTION,
            "## Sign-ons",
            "",
            *table(("outcome", "what it means", "the user saw", "PAM", "what to do", "the relay")),
            *sign_ons,
            "",
            "## Enrolments",
            "",
            *table(("outcome", "what it means", "what to do", "the relay")),
            *enrolments,
            "",
            LOG,
            *table(("line", "what it means", "what to do", "MESSAGE_ID")),
            *(event_row(event, *explained) for event, explained in EVENTS.items()),
            "",
            AT_A_RELAY,
            *table(("outcome", "what it means", "what the agent says", "what to do")),
            *(request_row(outcome.value, explained) for outcome, explained in REQUESTS.items()),
            "",
        ]
    )


def table(headings: tuple[str, ...]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{'|'.join('---' for _ in headings)}|"


def row(word: str, explained: Explanation, *between: str) -> str:
    """`between` stands between what it means and what to do."""
    relay = ", ".join(f"`{each}`" for each in sorted(set(explained.relay)))
    cells = (f"`{word}`", explained.meaning, *between, explained.advice, relay or "no request")
    return f"| {' | '.join(cell or '(nothing)' for cell in cells)} |"


def event_row(event: str, meaning: str, advice: str) -> str:
    return f"| `{event}` | {meaning} | {advice} | `{JOURNAL_FORM.message_ids[event]}` |"


def request_row(word: str, explained: RelayExplanation) -> str:
    says = ", ".join(f"`{each}`" for each in explained.agent) or "(it queued it again)"
    return f"| `{word}` | {explained.meaning} | {says} | {explained.advice} |"


def main() -> int:
    """Write it, or check it."""
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    if "--check" in sys.argv[1:]:
        print("docs/outcomes.md: not what the code says: make reference")
        return 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
