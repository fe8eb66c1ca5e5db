"""A study in the browser: ``python -m hpo.dashboard``."""

import errno
import ipaddress
import socket
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import typer

from hpo.study.errors import StudyError
from hpo.study.storage.location import StudyLocation
from hpo.terminal import options, signals
from hpo.terminal.named import existing_study

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

app = options.CommandApp()

LOOPBACK = "127.0.0.1"
PORTS_TRIED = 20


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that hung up."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def serve(location: StudyLocation, host: str = LOOPBACK, port: int = 8080) -> tuple[_Server, str]:
    """Return a server of the study's dashboard, bound but not yet serving, and its address.

    Of `PORTS_TRIED` ports from ``port`` on it takes the first free one.

    Raises:
        StudyError: there is no such study, or no free port.
    """
    from optuna.artifacts import FileSystemArtifactStore
    from optuna_dashboard import wsgi

    from hpo.study.open import open_there
    from hpo.study.samplers.table import quiet

    study = open_there(location)
    if not location.is_read_only():
        location.artifacts.mkdir(parents=True, exist_ok=True)
    with quiet():
        application = wsgi(
            study._storage, artifact_store=FileSystemArtifactStore(location.artifacts)
        )
    server = _bound(host, port)
    server.set_app(guarded(application, host))
    taken = server.server_address[1]
    return server, f"http://{host}:{taken}/dashboard/studies/{study._study_id}"


def guarded(application: "WSGIApplication", host: str) -> "WSGIApplication":
    """Return ``application`` for this machine's own pages alone: others get status 403.

    A name of a web page's own may be made to lead here (DNS rebinding), so the browser must have
    asked for an address or for this machine's name; and what changes anything must come from a page
    served here. Where ``host``, which it listens on, is not loopback, any address is one of ours.
    """
    names = {"localhost", host.lower()}
    if host not in (LOOPBACK, "::1", "localhost"):
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}

    def ours(name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name in names
        return address.is_loopback or len(names) > 2 or name in names

    def guard(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        asked = environ.get("HTTP_HOST", "")
        origin = environ.get("HTTP_ORIGIN")
        why = None
        try:
            name = urlsplit(f"//{asked}").hostname or ""
        except ValueError:
            name = ""
        if not ours(name):
            why = "ask for it by its address, such as http://127.0.0.1 and the port"
        elif environ["REQUEST_METHOD"] not in ("GET", "HEAD", "OPTIONS") and (
            origin is not None and urlsplit(origin).netloc != asked
        ):
            why = "a page from elsewhere must not change a study"
        if why is None:
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [f"Refused: {why}.\n".encode()]

    return guard


def _bound(host: str, port: int) -> _Server:
    last = min(port + PORTS_TRIED, 2**16)
    for candidate in range(port, last):
        try:
            return _Server((host, candidate), _Quiet)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise StudyError(
                f"cannot listen at {host}:{candidate}: {error.strerror or error}; "
                "give another --host or --port"
            ) from None
    raise StudyError(f"the ports {port} to {last - 1} are all taken; give another --port")


@app.command(
    epilog=options.examples(
        "python -m hpo.dashboard --study compact",
        "python -m hpo.dashboard --study paper --port 9000",
    )
)
def main(
    study: options.Existing,
    out: options.Out = options.OUT,
    storage: options.Storage = None,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="The address to listen on. Anyone who reaches it can change and delete studies.",
            rich_help_panel="Machine",
        ),
    ] = LOOPBACK,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="N",
            min=1,
            max=2**16 - 1,
            help="The port, or the next free one after it.",
            rich_help_panel="Machine",
        ),
    ] = 8080,
) -> None:
    """Show a study, finished or still running, in the browser: optuna-dashboard with its pictures.

    Ctrl-C stops it; the study itself does not need it.
    """
    signals.raise_on_signals()
    with options.reported():
        location = existing_study(study, out, storage)
        try:
            server, address = serve(location, host, port)
            with server:
                if server.server_address[1] != port:
                    print(f"Port {port} is taken; the next free one is used.")
                if host != LOOPBACK:
                    print("Anyone who reaches this address can change and delete studies.")
                if location.is_read_only():
                    print("The study is read-only here: what is changed in the browser is lost.")
                print(f"Study {location.name}, kept in {location.shown_url}, is shown at")
                print(f"  {address}\nCtrl-C stops it.", flush=True)
                server.serve_forever()
        except KeyboardInterrupt:
            print("Stopped.")


if __name__ == "__main__":
    app()
