"""edge. How much of the code the inputs reach: `.venv/bin/python -m tests.fuzz.covered`.

Replays seeds, grown corpora and found inputs, and tells the branch coverage of the pure code behind
a stranger's bytes. What the programs do beside that is left out.
"""

import coverage

REACHED = [
    *("protocol/*.py", "pam_agent/link*.py", "pam_agent/local_wire.py", "pam_agent/admin_wire.py"),
    *("relay/broker.py", "relay/deadlines.py", "relay/door.py", "relay/effects.py"),
    *("relay/ends.py", "relay/links.py", "relay/requests.py", "relay/transactions.py"),
    *("relay/admission.py", "relay/floods.py", "relay/proxy_header.py", "relay/admin_wire.py"),
]


def replay() -> None:
    """Imported here, so that what happens on import counts."""
    from tests.fuzz.place import PYTHON, WORK, found, seeds
    from tests.fuzz.test_found import once

    for target in PYTHON:
        grown = (WORK / "corpus" / target).glob("*")
        files = (path.read_bytes() for path in (*grown, *found(target)))
        for data in (*seeds(target), *files):
            once(target)(data)


def main() -> None:
    measured = coverage.Coverage(branch=True, data_file=None, config_file=False, include=REACHED)
    measured.start()
    replay()
    measured.stop()
    measured.report(show_missing=True, skip_covered=True)


if __name__ == "__main__":
    main()
