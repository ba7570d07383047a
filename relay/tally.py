"""pure. What ended since the relay started: every outcome counted, the last requests remembered.

It is for an operator's question, and the log is what lasts: so there is a bound, and the answer
says when it may have been reached. Strangers' ends that floods have not told of yet are not in it;
`relay.standing` adds them.
"""

from collections.abc import Sequence
from typing import Final

from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome
from relay.records import LinkEnded, NoDescriptor, Record, Repeated, RequestEnded, ValidatorEnded

MAX_REMEMBERED: Final = 10_000
"""Ended requests: some 6 MiB. The older half goes at once, which is cheaper than one for each new
one: so at least 5,000 are there, at a hundred sign-ons a second those of nearly a minute. A relay
with one a second knows an hour and more."""

_HALF: Final = MAX_REMEMBERED // 2


class Tally:
    """Words are those of relay.outcomes, by what ended."""

    __slots__ = ("_older", "_recent", "links", "no_descriptor", "requests", "validators")

    def __init__(self) -> None:
        # Ordinary dictionaries: a Counter's own would be a call of Python's for each number.
        self.requests: Final[dict[str, int]] = {x.value: 0 for x in RequestOutcome}
        self.validators: Final[dict[str, int]] = {x.value: 0 for x in ValidatorOutcome}
        self.links: Final[dict[str, int]] = {x.value: 0 for x in LinkOutcome}
        self.no_descriptor = 0
        """How often a connection found no descriptor."""
        self._older: list[RequestEnded] = []
        self._recent: list[RequestEnded] = []

    def note(self, records: Sequence[Record], now: float) -> None:
        """`now` in Unix seconds: when they ended."""
        for record in records:
            if isinstance(record, RequestEnded):
                # For each sign-on: `value` would be a call of Python's.
                self.requests[record.outcome._value_] += 1
                record.time = now
                if len(self._recent) >= _HALF:
                    self._older, self._recent = self._recent, []
                self._recent.append(record)
            elif isinstance(record, ValidatorEnded):
                self.validators[record.outcome.value] += 1
            elif isinstance(record, LinkEnded):
                self.links[record.outcome.value] += 1
            elif isinstance(record, Repeated):
                self._note_repeated(record)
            elif isinstance(record, NoDescriptor):
                self.no_descriptor += 1

    def _note_repeated(self, record: Repeated) -> None:
        if not record.outcome:
            self.no_descriptor += record.count
        elif record.what == "link ended":
            self.links[record.outcome] += record.count
        else:
            self.validators[record.outcome] += record.count

    @property
    def remembered(self) -> int:
        return len(self._older) + len(self._recent)

    @property
    def forgotten(self) -> int:
        """Ended requests that were remembered and no longer are."""
        return sum(self.requests.values()) - self.remembered

    def find(self, sign_on_id: str) -> list[RequestEnded]:
        """All that are remembered of it, in order: an agent may queue a sign-on again."""
        return [record for record in self._older + self._recent if record.sign_on_id == sign_on_id]
