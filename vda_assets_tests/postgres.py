"""A PostgreSQL server of Debian's package in a folder of its own: one for a test process, a database for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg2

from vda_assets_tests.end_to_end.world import free_port

USER, PASSWORD = "dagster", "postgres-password-0123456789"
_CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
_numbers = count(1)


@dataclass(frozen=True)
class Database:
    port: int
    name: str

    @property
    def variables(self) -> dict[str, str]:
        """As deploy/base/dagster.yaml names them."""
        return {
            "DAGSTER_PG_HOST": "127.0.0.1",
            "DAGSTER_PG_PORT": str(self.port),
            "DAGSTER_PG_USERNAME": USER,
            "DAGSTER_PG_PASSWORD": PASSWORD,
            "DAGSTER_PG_DB": self.name,
        }


class PostgresServer:
    def __init__(self, port: int, binaries: Path) -> None:
        self.port, self.binaries = port, binaries

    def new_database(self) -> Database:
        database = Database(self.port, f"dagster{next(_numbers)}")
        self.execute(f"CREATE DATABASE {database.name}")
        return database

    def execute(self, statement: str) -> None:
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def dump(self, database: Database) -> bytes:
        return self._client("pg_dump", database, "-Fc")

    def restore(self, database: Database, dumped: bytes) -> None:
        self._client("pg_restore", database, "--clean", "--if-exists", "--exit-on-error", fed=dumped)

    def _client(self, program: str, database: Database, *arguments: str, fed: bytes = b"") -> bytes:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database.name]
        done = subprocess.run(
            [self.binaries / program, *where, *arguments],
            input=fed,
            capture_output=True,
            env={"PGPASSWORD": PASSWORD, "PATH": os.environ["PATH"]},
            timeout=120,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def connections(self) -> int:
        """How many clients there are now, without the one that asks."""
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute(_CLIENTS)
            return int(cursor.fetchone()[0])

    @contextmanager
    def most_connections(self) -> Iterator[list[int]]:
        """A list of one number: the most clients at once while the block goes on, looked at every few milliseconds."""
        most, over = [0], threading.Event()

        def look() -> None:
            with self._connected() as connection, connection.cursor() as cursor:
                while not over.wait(0.01):
                    cursor.execute(_CLIENTS)
                    most[0] = max(most[0], int(cursor.fetchone()[0]))

        looking = threading.Thread(target=look)
        looking.start()
        try:
            yield most
        finally:
            over.set()
            looking.join()

    @contextmanager
    def _connected(self) -> Iterator[psycopg2.extensions.connection]:
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname="postgres", connect_timeout=10
        )
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()


def binaries() -> Path | None:
    """Those of the newest PostgreSQL of this machine."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextmanager
def serving_postgres() -> Iterator[PostgresServer]:
    """Raises FileNotFoundError where the binaries are missing."""
    where = binaries()
    if where is None:
        raise FileNotFoundError("/usr/lib/postgresql has no server: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="vda-postgres-"))
    # The server refuses to run as root.
    as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "nobody", "nogroup")
    port = free_port()
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)

    def run(command: str, arguments: Sequence[str]) -> None:
        with (folder / "said").open("wb") as said:
            done = subprocess.run(
                [*as_user, where / command, *arguments], stdout=said, stderr=said, cwd=folder, timeout=120
            )
        assert done.returncode == 0, (folder / "said").read_text()

    data = str(folder / "data")
    try:
        login = ["-U", USER, "-A", "password", "--pwfile", str(password)]
        run("initdb", ["-D", data, *login, "-E", "UTF8", "--locale=C.UTF-8", "-N"])
        settings = f"-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off"
        # A connection is a process, and Dagster makes one for each statement.
        settings += " -c shared_buffers=16MB -c autovacuum=off -c jit=off -c max_connections=200"
        run("pg_ctl", ["-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start"])
        try:
            yield PostgresServer(port, where)
        finally:
            run("pg_ctl", ["-D", data, "-w", "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
