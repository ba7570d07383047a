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
    assert note.startswith("as root, in /ddd")
    assert "\u2026: sudo true" in note
    assert note.endswith("\u2026")


def test_long_names_alone_are_cut_too() -> None:
    start = Start("su", "u" * 256, ruser="r" * 256, directory="d" * 256)
    assert len(note_of(start, "ada").encode()) <= MAX_NOTE
