"""pure. A fixed id for each event that any daemon logs, by which the journal finds all of a kind.

Drawn at random once (`python -c "import uuid; print(uuid.uuid4().hex)"`); an id is never used for
anything else, whatever becomes of its event's words. Each program has a table of its own beside it.
"""

from collections.abc import Mapping
from typing import Final

MESSAGE_IDS: Final[Mapping[str, str]] = {
    "admin request refused": "269762a1874d4fe2b211b22474c57d1a",
    "descriptors still kept": "04cce40d1a9d40efa0704119776a21cb",
    "log dropped": "6034b96617c0473197df49c4e3050023",
    "no descriptors kept": "d50c9eccee3c4ffab6577b041cb39a40",
    "no journal": "616a54c87f00424e84b843662b2fe00b",
    "service manager not informed": "5a9635451c3245e2b2f4e5ef04ba8937",
}
