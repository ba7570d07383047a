"""sudoers, read by the system's sudo and by the reader here."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from pam_agent.sudoers import MAIN, MAX_DEPTH, MAX_FILES, Files, Reading, read

TEXTS = [
    "",
    "Defaults timestamp_timeout=5",
    "Defaults timestamp_timeout=0\nDefaults timestamp_timeout=-1\n",
    "Defaults env_reset, timestamp_timeout = 0.5\n",
    "\tDefaults\ttimestamp_timeout=\t0 ,\t!authenticate\n",
    "Defaults timestamp_timeout=0, timestamp_timeout=20\n",
    'Defaults  timestamp_timeout="0"\n',
    "Defaults timestamp_timeout=+0\n",
    "Defaults timestamp_timeout=.\n",
    "Defaults timestamp_timeout=-.\n",
    "Defaults timestamp_timeout=2.\n",
    "Defaults timestamp_timeout=.5\n",
    "Defaults timestamp_timeout=1e0\n",
    "Defaults timestamp_timeout=0x0\n",
    "Defaults timestamp_timeout=0\nDefaults timestamp_timeout=soon, timestamp_timeout\n",
    "Defaults timestamp_timeout+=0\n",
    "Defaults timestamp_timeout -= 0\n",
    "Defaults !timestamp_timeout\n",
    "Defaults !!timestamp_timeout\n",
    "Defaults !authenticate\nDefaults authenticate\n",
    "Defaults ! authenticate\n",
    "Defaults !!authenticate\n",
    "Defaults !!!authenticate\n",
    "Defaults !authenticate, authenticate=yes\n",
    "Defaults exempt_group=wheel\n",
    "Defaults exempt_group=wheel, !exempt_group\n",
    "Defaults exempt_group\n",
    'Defaults exempt_group="a b"\n',
    "Defaults exempt_group=a\\ b\n",
    "Defaults pam_service=a, pam_login_service=b, !pam_service\n",
    # Comments and continued lines.
    "# Defaults timestamp_timeout=0\n",
    "Defaults env_reset # timestamp_timeout=0\n",
    "Defaults timestamp_timeout=0# c\n",
    "Defaults timestamp_timeout=0#1\n",
    "Defaults exempt_group=a\\#b, timestamp_timeout=0\n",
    'Defaults badpass_message="a # b", timestamp_timeout=0 # "\n',
    'Defaults badpass_message="a, timestamp_timeout=0"\n',
    'Defaults badpass_message="a \\" # b", timestamp_timeout=0\n',
    "Defaults \\\n  timestamp_timeout=10\n",
    "Defaults \\ \t\n timestamp_timeout=0\n",
    "Defaults timestamp_timeout=\\\n0\n",
    "Defaults badpass_message=a\\\\\nDefaults timestamp_timeout=0\n",
    'Defaults badpass_message="a \\\n b # c", timestamp_timeout=0\n',
    "# a comment \\\nDefaults timestamp_timeout=0\n",
    "Defaults timestamp_timeout=0, exempt_group=a\\ # c\nDefaults !authenticate\n",
    "Defaults env_reset # a comment \\\nDefaults timestamp_timeout=0\n",
    "Defaults timestamp_timeout=0\r\nDefaults !authenticate\r\n",
    "Defaults \\\r\n timestamp_timeout=0\r\n",
    # Lines that sudo leaves out.
    "Defaults timestamp_timeout=0,\n",
    "Defaults timestamp_timeout=0 !authenticate\n",
    "Defaults timestamp_timeout=0, !authenticate=yes\n",
    "Defaults timestamp_timeout=0\x0cDefaults !authenticate\n",
    'Defaults badpass_message="a\nDefaults timestamp_timeout=0\n',
    'Defaults "timestamp_timeout=0"\n',
    "Defaults timestamp_timeout=\n",
    "Defaults\nDefaults timestamp_timeout=0\n",
    "defaults timestamp_timeout=0\n",
    "Defaultstimestamp_timeout=0\n",
    "Defaults :ALL timestamp_timeout=0\n",
    # For all, in other words, and for others.
    "Defaults:ALL timestamp_timeout=0\n",
    "Defaults@ALL timestamp_timeout=0\nDefaults timestamp_timeout=3\n",
    "Defaults: nobody , ALL timestamp_timeout=0\n",
    "Defaults:nobody timestamp_timeout=0\n",
    "Defaults:nobody,\tdaemon timestamp_timeout=0\n",
    'Defaults:"no body" timestamp_timeout=0\n',
    "Defaults:%nobody,!daemon timestamp_timeout=0, !authenticate\n",
    "Defaults@elsewhere exempt_group=x\n",
    # Files.
    "@include {folder}/five\n",
    "  @include {folder}/five # c\n",
    "#include {folder}/five\n",
    "  #include {folder}/five\n",
    '@include "{folder}/two words"\n',
    "@include {folder}/two\\ words\n",
    "@include {folder}/none\nDefaults timestamp_timeout=0\n",
    "@includedir {folder}/d\n",
    "#includedir {folder}/d\nDefaults timestamp_timeout=6\n",
    "Defaults timestamp_timeout=6\n@includedir {folder}/d\n",
    "@includedir {folder}/none\nDefaults timestamp_timeout=0\n",
    "@include {folder}/relative\n",
    "@include {folder}/host.%h\n",
    "Defaults \\\n@include {folder}/five\n",
]
SHORT = os.uname().nodename.partition(".")[0]
PARTS = {
    "five": "Defaults timestamp_timeout=5\n",
    "two words": "Defaults timestamp_timeout=2\n",
    f"host.{SHORT}": "Defaults timestamp_timeout=8\n",
    "relative": "@include five",
    "d/b": "Defaults timestamp_timeout=4\n",
    "d/a": "Defaults timestamp_timeout=3\n",
    "d/c.conf": "Defaults timestamp_timeout=9\n",
    "d/c~": "Defaults timestamp_timeout=9\n",
}
LOOP = """
mount --bind "$1" /etc/sudoers || exit
for each in "$2"/*; do
    cat "$each" >/etc/sudoers
    sudo -V 2>/dev/null
    echo END
done
"""
SAID = {
    "Authentication timestamp timeout: ": "timestamp_timeout",
    "Require users to authenticate by default": "authenticate",
    "Users in this group are exempt from password and PATH requirements: ": "exempt_group",
    "PAM service name to use: ": "pam_service",
    "PAM service name to use for login shells: ": "pam_login_service",
}
USUAL = {
    "timestamp_timeout": "15.0",
    "authenticate": "yes",
    "exempt_group": "",
    "pam_service": "sudo",
    "pam_login_service": "sudo-i",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sudoers")
    for name, text in PARTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o440)
    (folder / "d").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def sudo(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """What the system's sudo makes of each text, if root asks it, in a place of its own."""
    if os.geteuid() != 0:
        pytest.skip("sudo tells only root")
    texts = tmp_path_factory.mktemp("texts")
    for number, text in enumerate(TEXTS):
        (texts / f"{number:03}").write_bytes(text.replace("{folder}", str(folder)).encode())
    main = texts.with_name("main")
    main.write_text("")
    main.chmod(0o440)
    command = ["unshare", "--mount", "sh", "-c", LOOP, "sh", str(main), str(texts)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [_said(each) for each in done.stdout.split("END\n")[:-1]]


def _said(text: str) -> dict[str, str]:
    found = USUAL | {"authenticate": "no"}
    for line in text.splitlines():
        for words, name in SAID.items():
            if line.startswith(words):
                found[name] = line.removeprefix(words).removesuffix(" minutes") or "yes"
    return found


def real(path: str) -> Sequence[str]:
    return sorted(str(each) for each in Path(path).glob("*"))


def reading(text: str, **others: str) -> Reading:
    texts = {MAIN: text} | {f"/etc/{name}": each for name, each in others.items()}

    def content(path: str) -> str | None:
        if path in texts:
            return texts[path]
        return Path(path).read_text() if Path(path).is_file() else None

    return read(Files(content, lambda path: "none" in path, real, lambda _: "", SHORT))


def test_it_reads_as_sudo_does(sudo: list[dict[str, str]], folder: Path) -> None:
    assert len(sudo) == len(TEXTS)
    wrong = []
    for text, expected in zip(TEXTS, sudo, strict=True):
        found = dict(USUAL)
        for each in reading(text.replace("{folder}", str(folder))).settings:
            if not each.for_all or each.name not in USUAL:
                continue
            found[each.name] = each.value or ("no" if each.negated else "yes")
            if each.name == "timestamp_timeout":
                found[each.name] = f"{each.number + 0.0:.1f}"  # no -0.0
            elif each.negated and each.name == "exempt_group":
                found[each.name] = ""
        if found != expected:
            wrong.append((text, found, expected))
    assert wrong == []


def test_where_a_setting_stands_and_for_whom() -> None:
    text = "#\nDefaults \\\n a=1, b=2\nDefaults:ada , %x c\nDefaults!/bin/su,!/bin/ls d\n"
    assert [(each.where, each.scope, each.name) for each in reading(text).settings] == [
        (f"{MAIN}:2", "", "a"),
        (f"{MAIN}:2", "", "b"),
        (f"{MAIN}:4", ":ada,%x", "c"),
        (f"{MAIN}:5", "!/bin/su,!/bin/ls", "d"),
    ]


def test_the_order_in_which_they_are_taken() -> None:
    text = "Defaults!ALL a\nDefaults>ALL b\nDefaults@ALL c\nDefaults:ALL d\nDefaults e\n"
    assert [each.name for each in reading(text).settings] == ["c", "d", "e", "b", "a"]


@pytest.mark.parametrize(
    "line",
    ["ada ALL=(ALL) NOPASSWD: ALL", "ada ALL=(ALL) \\\n NOPASSWD: ALL", "#1000 ALL=NOPASSWD :ALL"],
)
def test_where_nobody_is_asked(line: str) -> None:
    assert reading(f"# NOPASSWD: c\nx ALL=ALL # NOPASSWD:\n{line}\n").nopasswd == [f"{MAIN}:3"]


def test_what_is_not_read_is_told() -> None:
    found = reading("@include none\n@include closed\n@include b\nDefaults x y\n", b="Defaults")
    assert found.missing == ["/etc/none"]
    assert found.unread == ["/etc/closed"]
    assert found.bad_lines == ["/etc/b:1", f"{MAIN}:4"]
    assert reading("\nDefaults x, \\\n y \\").bad_lines == [f"{MAIN}:2"]
    assert reading("@include sudoers\n").unread == [MAIN]
    assert MAX_DEPTH == 128


def test_a_file_that_includes_itself_twice_ends() -> None:
    found = reading("@include sudoers\n" * 20)
    assert MAX_FILES < found.files < 30 * MAX_FILES
    assert set(found.unread) == {MAIN}


def test_what_sudo_takes_for_unsafe_is_left_out() -> None:
    texts = {MAIN: "@includedir /d\n@include /e\n@includedir /f\n", "/f/a": "Defaults x\n"}
    refused = {"/d": "open", "/e": "open", "/f/b": "open"}
    files = Files(
        texts.get,
        lambda _: False,
        lambda _: ["/f/a", "/f/b"],
        lambda path: refused.get(path, ""),
        "h",
    )
    found = read(files)
    assert [each.name for each in found.settings] == ["x"]
    assert found.refused == list(refused.items())


def test_without_the_main_file_nothing_is_known() -> None:
    none = Files(lambda _: None, lambda _: True, lambda _: [], lambda _: "", "h")
    assert read(none).unread == [MAIN]
