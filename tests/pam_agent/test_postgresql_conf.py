"""PostgreSQL's configuration, read by the system's postgres and by the reader here."""

import subprocess
from pathlib import Path

import pytest

from pam_agent.postgresql_conf import MAX_DEPTH, Cluster, Files, Setting, read

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


def cluster(text: str, **others: str) -> Cluster:
    """At /pg; `others` are further files there, and one with no text cannot be read."""
    texts: dict[str, str | None] = {"/pg/postgresql.conf": text}
    texts |= {f"/pg/{name.replace('__', '/')}.conf": each or None for name, each in others.items()}
    return read(
        "/pg/postgresql.conf",
        Files(
            texts.get,
            lambda path: path not in texts,
            lambda folder: sorted(each for each in texts if each.startswith(f"{folder}/")),
        ),
    )


@pytest.mark.skipif(not POSTGRES, reason="PostgreSQL is not installed")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "authentication_timeout = 40",
        "authentication_timeout 41 # (change requires restart)",
        "Authentication_Timeout='42 s'",
        "authentication_timeout = 40000ms",
        "authentication_timeout = 1min",
        "authentication_timeout = '1.5min'",
        "authentication_timeout = 0x20",
        "authentication_timeout = 040",
        "authentication_timeout = 45.6",
        "#authentication_timeout = 1s",
        "authentication_timeout = 10s\nauthentication_timeout = 2min",
        "authentication_timeout = 10s\ninclude 'part.conf'",
        "include 'part.conf'\nauthentication_timeout = 10s",
        "include_if_exists 'none.conf'\ninclude_dir = 'd'",
        "include_if_exists 'part.conf'",
        "AUTO",
    ],
)
def test_a_time_is_what_postgres_says(tmp_path: Path, text: str) -> None:
    (tmp_path / "PG_VERSION").write_text(POSTGRES[-1].parents[1].name + "\n")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.conf").write_text("authentication_timeout = 21\n")
    (tmp_path / "d/b.conf").write_text("authentication_timeout = 22\n")
    (tmp_path / "d/c.txt").write_text("authentication_timeout = 23\n")
    (tmp_path / "part.conf").write_text("authentication_timeout = 24\n")
    if text == "AUTO":
        text = "authentication_timeout = 25"
        (tmp_path / "postgresql.auto.conf").write_text("authentication_timeout = '26'\n")
    main = tmp_path / "postgresql.conf"
    main.write_text(f"{text}\n")
    command = [str(POSTGRES[-1]), "-C", "authentication_timeout", "-D", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    files = Files(
        lambda path: Path(path).read_text(),
        lambda path: not Path(path).exists(),
        lambda folder: sorted(str(each) for each in Path(folder).glob("*.conf")),
    )
    found = read(str(main), files).settings.get("authentication_timeout", Setting("60", ""))
    assert found.seconds == float(done.stdout)


@pytest.mark.parametrize(
    "value", ["", "soon", "1 Min", "1 2", "0x", "-", "9" * 5000, "0" + "7" * 5000]
)
def test_what_is_no_time(value: str) -> None:
    assert Setting(value, "").seconds is None


def test_where_a_setting_stands() -> None:
    text = "a = 1\nnot a line\nb = 'it''s \\'so' # c\ninclude 'part.conf'\n"
    assert cluster(text, part="\nA = 2").settings == {
        "a": Setting("2", "/pg/part.conf:2"),
        "b": Setting("it's 'so", "/pg/postgresql.conf:3"),
    }


def test_files_elsewhere() -> None:
    text = "data_directory = '/pg/data'\nhba_file = '/pg/hba.conf'\n"
    found = cluster(text, data__postgresql_auto="", hba="local all all pam pamservice=x\n")
    assert found.services == {"x": "/pg/hba.conf:1"}
    assert found.unread == []


def test_what_cannot_be_read_is_told() -> None:
    found = cluster("include 'none.conf'\ninclude 'part.conf'\n", part="", pg_hba="")
    assert found.unread == ["/pg/none.conf", "/pg/part.conf", "/pg/pg_hba.conf"]
    assert cluster("include 'postgresql.conf'\n").unread == ["/pg/postgresql.conf"]
    assert MAX_DEPTH == 10


@pytest.mark.parametrize(
    ("line", "service"),
    [
        ("local all all pam", "postgresql"),
        ("host all all 0.0.0.0/0 pam pamservice=x", "x"),
        ("host all all 10.0.0.0 255.0.0.0 pam pamservice=x", "x"),
        ("hostssl all +people .example.net pam pam_use_hostname=1 pamservice=x", "x"),
        ('hostssl "a b", c d,e ::1/128 pam "pamservice=x y" # c', "x y"),
        ('host all all samehost \\\n pam pamservice="x"', "x"),
        ("host pam pam all scram-sha-256", None),
        ("host all all 10.0.0.0 255.0.0.0 md5", None),
        ("#local all all pam", None),
        ("local all all # pam", None),
        ("host all", None),
    ],
)
def test_whom_pg_hba_sends_to_pam(line: str, service: str | None) -> None:
    expected = {} if service is None else {service: "/pg/pg_hba.conf:2"}
    assert cluster("", pg_hba=f"# c\n{line}\n").services == expected
