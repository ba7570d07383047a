"""Vectors of the ratchet: events, and what became of them."""

import itertools
from collections.abc import Callable
from typing import Any

from protocol.ratchet import Generation, Ratchet
from tests.vectors.fixed import Json, value


class Story:
    """Events at an agent's ratchet, written down with what became of them."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.ratchet = Ratchet(Generation(0, value("R_0 of a story")))
        self._roots = itertools.count(1)
        self._opened: dict[str, tuple[Generation, Ratchet]] = {}
        self._next: dict[str, Generation] = {}
        self.start = self._state()
        self.events: list[Json] = []

    def h1(self, name: str, base: Generation) -> "Story":
        """A sign-on called `name` opens under `base`."""
        self._opened[name] = base, self.ratchet
        return self._note({"event": "h1", "sign_on": name, "base": base})

    def decision(self, name: str) -> "Story":
        base, opened = self._opened[name]
        root = value(f"root {next(self._roots)} of a story")
        self._next[name] = Generation(base.number + 1, root)
        if self.ratchet.overtaken(base, opened):
            result = "overtaken"
        elif (after := self.ratchet.decided(base, root)) is None:
            result = "alarm"
        else:
            self.ratchet, result = after, "moved"
        event = {"event": "decision", "sign_on": name, "next_root": root, "result": result}
        return self._note(event)

    def confirm(self, name: str) -> "Story":
        self.ratchet = self.ratchet.confirmed(self._next[name])
        return self._note({"event": "confirm", "sign_on": name})

    def next_of(self, name: str) -> Generation:
        """What the device holds after RECEIPT."""
        return self._next[name]

    def whole(self, name: str) -> "Story":
        """A sign-on without loss, under what an honest device holds then."""
        base = self.ratchet.pending or self.ratchet.current
        return self.h1(name, base).decision(name).confirm(name)

    def _note(self, event: Json) -> "Story":
        if isinstance(base := event.get("base"), Generation):
            event["base"] = [base.number, base.root]
        self.events.append({**event, "ratchet": self._state()})
        return self

    def _state(self) -> Json:
        def plain(generation: Generation | None) -> list[Any] | None:
            return None if generation is None else [generation.number, generation.root]

        return {
            "current": plain(self.ratchet.current),
            "pending": plain(self.ratchet.pending),
            "retired": [plain(generation) for generation in self.ratchet.retired],
        }


def tell(why: str, events: Callable[[Story], object]) -> Json:
    story = Story(why)
    events(story)
    return {"why": why, "start": story.start, "events": story.events}


def ratchet() -> Json:
    first = Generation(0, value("R_0 of a story"))

    def old_copy(story: Story) -> None:
        for i in range(9):
            story.whole(str(i))
        story.h1("copy", story.ratchet.retired[-1]).decision("copy")

    def after_lost_confirm(story: Story) -> Story:
        return story.h1("a", first).decision("a").h1("b", story.next_of("a"))

    return {
        "description": "SPEC 5.4: events and the agent's ratchet after each.",
        "stories": [
            tell("no loss", lambda s: s.whole("a").whole("b")),
            tell(
                "CONFIRM is lost: the next decision commits",
                lambda s: after_lost_confirm(s).decision("b").confirm("a").confirm("b"),
            ),
            tell(
                "RECEIPT is lost: the pending generation is replaced",
                lambda s: s.h1("a", first).decision("a").h1("b", first).decision("b").confirm("b"),
            ),
            tell(
                "a late CONFIRM changes nothing",
                lambda s: s.h1("a", first).decision("a").h1("b", first).decision("b").confirm("a"),
            ),
            tell(
                "a copy comes after the device",
                lambda s: s.whole("a").h1("copy", first).decision("copy"),
            ),
            tell("a copy comes very late", old_copy),
            tell(
                "DECISION is held back past a whole sign-on",
                lambda s: s.h1("held", first).whole("a").decision("held"),
            ),
            tell(
                "DECISION is held back past a sign-on without CONFIRM",
                lambda s: s.h1("held", first).h1("a", first).decision("a").decision("held"),
            ),
            tell(
                "an earlier CONFIRM overtakes nobody",
                lambda s: after_lost_confirm(s).confirm("a").decision("b").confirm("b"),
            ),
            tell(
                "H1 under a retired generation, then a DECISION that others overtook",
                lambda s: s.whole("a").h1("copy", first).whole("b").decision("copy"),
            ),
        ],
    }
