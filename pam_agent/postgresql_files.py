"""edge. The PostgreSQLs of a host, where Debian and others put their configuration."""

from pathlib import Path
from typing import Final

from pam_agent.host_files import HostFiles, Trouble
from pam_agent.postgresql_conf import Cluster, Files, read

PLACES: Final = (
    "/etc/postgresql/*/*/postgresql.conf",
    "/var/lib/pgsql/data/postgresql.conf",
    "/var/lib/pgsql/*/data/postgresql.conf",
    "/var/lib/postgres/data/postgresql.conf",
)


def clusters(files: HostFiles) -> list[Cluster]:
    """All there are."""
    of = Files(
        lambda path: files.text(Path(path)),
        lambda path: files.read(Path(path)) is Trouble.GONE,
        lambda folder: [str(each) for each in files.matching(f"{folder}/*.conf")],
    )
    return [read(str(path), of) for place in PLACES for path in files.matching(place)]
