from dataclasses import replace

import pytest

from pam_agent.approver_note import note_of
from pam_agent.local_wire import Start
from protocol.signon_messages import MAX_NOTE


@pytest.mark.parametrize(
    ("start", "note"),
    [
        (Start("sshd", "ada"), ""),
        (Start("sshd", "ada", ruser="ada"), ""),
        (Start("sudo", "ada", note="sudo id -u"), "as root: sudo id -u"),
        (
            Start("sudo", "ada", ruser="ada", note="sudo ./deploy", directory="/srv/web"),
            "as root, in /srv/web: sudo ./deploy",
        ),
        (Start("sudo", "ada", note="sudo -l", directory="/"), "in /: sudo -l"),
        (
            Start("sudo", "ada", note="sudo id", directory=f"/tmp/x: sudo ./deploy{' ' * 170}y"),
            "as root, in '/tmp/x: sudo ./deploy[170 blanks]y': sudo id",
        ),
        (
            Start("sudo", "ada", note="sudo -u b\u202e -g 'x\n' id"),
            "as b, group x: sudo -u b -g 'x' id",
        ),
        (Start("su", "root", ruser="ada"), "by ada"),
        (Start("sshd", "ada@example.org"), "signs on as ada@example.org"),
        (
            Start("sudo", "deploy", ruser="eve", note="sudo -i", directory="/tmp"),
            "signs on as deploy, by eve, as root, in /tmp: sudo -i",
        ),
        (Start("su", "root", ruser="a\u202eb\n"), "by ab"),
    ],
)
def test_what_the_approver_is_told(start: Start, note: str) -> None:
    account = "root" if start.user == "root" else "ada"
    assert note_of(start, account) == note


def test_what_is_cut_shows_it_and_nothing_hides_behind() -> None:
    start = Start("sudo", "ada", directory="/" + "d" * 255, note="sudo true" + " " * 900 + "; evil")
    note = note_of(start, "ada")
    assert len(note.encode()) <= MAX_NOTE
    assert note.startswith("as root, in '/ddd")
    assert note.endswith("\u2026': sudo true[900 blanks]; evil")
    long = replace(start, note="sudo true " + "x " * 400 + "; evil")
    note = note_of(long, "ada")
    assert len(note.encode()) <= MAX_NOTE
    assert note.startswith("cut off, as root, in '/ddd")
    assert "\u2026': sudo true x" in note
    assert note.endswith("\u2026")


def test_what_the_module_has_cut_says_so_first() -> None:
    start = Start("sudo", "ada", note="'sudo ./deploy" + " " * 1000 + "\u2026")
    assert note_of(start, "ada") == "cut off: 'sudo ./deploy[1000 blanks]\u2026"


@pytest.mark.parametrize("blank", [" ", "\u2003", "\u3000", "\u2800", "\u3164", "\xa0"])
def test_nothing_is_pushed_out_of_sight(blank: str) -> None:
    start = Start("sudo", "ada", note=f"sudo A='{blank * 500}' sh -c 'a{blank * 3}b'")
    assert note_of(start, "ada") == f"as root: sudo A='[500 blanks]' sh -c 'a{blank * 3}b'"


def test_long_names_alone_are_cut_too() -> None:
    start = Start("su", "u" * 256, ruser="r" * 256, directory="d" * 256)
    assert len(note_of(start, "ada").encode()) <= MAX_NOTE
