"""A PostgreSQL server of the tests' own: on loopback, in a temporary folder, with a password."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PASSWORD = "s3cret-Pa55/word"
_USER = "postgres"


def binaries() -> Path | None:
    """Return the folder of the newest server's programs, None if there is no server here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    return found[-1].parent if found else None


class Server:
    """Runs until it is closed; may be stopped and started between."""

    def __init__(self) -> None:
        programs = binaries()
        assert programs is not None
        self._programs = programs
        # The server refuses to run as root.
        self._as = {"user": _USER, "group": _USER, "extra_groups": []} if os.getuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
        if self._as:
            shutil.chown(self.folder, _USER, _USER)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        options = ("--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync", "--username=me")
        self._run("initdb", "-D", str(self.folder / "data"), *options)
        self.start()

    @property
    def url(self) -> str:
        """The URL of its database, password and all."""
        password = PASSWORD.replace("/", "%2F")
        return f"postgresql+psycopg://me:{password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=16MB "
            f"-c unix_socket_directories={self.folder}"
        )
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start"
        )

    def stop(self) -> None:
        """Stop it at once, as in a crash."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")

    def check(self) -> str:
        """Return ``ok`` if its own check finds every table and index whole, else what it found."""
        done = subprocess.run(
            [self._programs / "pg_amcheck", "--install-missing", "-h", "127.0.0.1"]
            + ["-p", str(self.port), "-U", "me", "postgres"],
            env={**os.environ, "PGPASSWORD": PASSWORD},
            cwd="/",
            capture_output=True,
            text=True,
        )
        return "ok" if done.returncode == 0 else done.stdout + done.stderr

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=300,
            **self._as,  # type: ignore[call-overload]
        )


class Pooler:
    """PgBouncer in front of a server, in transaction mode, with few connections."""

    def __init__(self, server: Server):
        self._server = server
        self.folder = Path(tempfile.mkdtemp(prefix="pooler-", dir="/tmp"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (self.folder / "users").write_text(f'"me" "{PASSWORD}"\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
            f"unix_socket_dir =\nauth_type = plain\nauth_file = {self.folder / 'users'}\n"
            "pool_mode = transaction\ndefault_pool_size = 4\n"
        )
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, _USER, _USER)
        self._process = subprocess.Popen(
            ["pgbouncer", "-q", self.folder / "pgbouncer.ini"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **server._as,  # type: ignore[arg-type]
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("PgBouncer does not start")

    def url(self, direct: str) -> str:
        """Return the URL of a database of the server's, through the pooler."""
        return direct.replace(f":{self._server.port}/", f":{self.port}/")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
