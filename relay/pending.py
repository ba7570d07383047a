"""pure. Who waits for whom: requests by tag, and validators whose tag names no request yet."""

from relay.ends import Request, Validator


class Pending:
    """A tag names at most one request. Validators that wait under one tag are served in order."""

    __slots__ = ("_requests", "_validators")

    def __init__(self) -> None:
        self._requests: dict[bytes, Request] = {}
        self._validators: dict[bytes, list[Validator]] = {}

    def request(self, tag: bytes) -> Request | None:
        """The request under `tag`, waiting or running."""
        return self._requests.get(tag)

    def add_request(self, request: Request) -> None:
        """The caller has made sure that its tags are free."""
        for tag in request.tags:
            self._requests[tag] = request

    def remove_request(self, request: Request) -> None:
        """Removal checks identity: a late clean-up must not evict a successor."""
        for tag in request.tags:
            if self._requests.get(tag) is request:
                del self._requests[tag]

    def add_validator(self, validator: Validator) -> None:
        self._validators.setdefault(validator.tag, []).append(validator)

    def remove_validator(self, validator: Validator) -> None:
        waiting = self._validators.get(validator.tag)
        if waiting is None or validator not in waiting:
            return
        waiting.remove(validator)
        if not waiting:
            del self._validators[validator.tag]

    def validator_for(self, request: Request) -> Validator | None:
        """The validator that has waited first for one of the request's tags."""
        for tag in request.tags:
            waiting = self._validators.get(tag)
            if waiting:
                return waiting[0]
        return None
