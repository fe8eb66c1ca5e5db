"""Workers as actors of a Ray cluster, each with its share of CPUs and GPUs, replaced on death."""

import logging
import os
import socket
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hpo.search.workers.deaths import Deaths
from hpo.search.workers.heartbeat import this_process
from hpo.search.workers.queue import release
from hpo.search.workers.worker import Job, error_of
from hpo.study.errors import StudyError
from hpo.study.open import open_there
from hpo.study.storage.retry import no_retry

ANSWER_SECONDS = 8.0
"""Within this a cluster must answer."""
_SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS
"""What a client of HTTP/2, which Ray speaks, begins with; the server answers with its own settings.
Source: RFC 9113, section 3.4."""


def run_on_ray(job: Job, number: int, address: str) -> None:
    """Run ``job`` in ``number`` actors until its total is finished.

    An interrupted run kills its actors; their trials resume from their last checkpoints when the
    study is run again.

    Args:
        job: what every actor does; its CPU threads and its GPU are the actor's share.
        number: how many actors.
        address: the cluster's, or ``local`` for a temporary one on this machine.

    Raises:
        StudyError: Ray is not installed or not there, the cluster cannot reach the database or
            has no GPU, or a worker stopped for a reason that would stop every one.
        KeyboardInterrupt: after every actor has been killed.
    """
    where: dict[str, Any] = {"address": address}
    if address == "local":
        # Makes Ray listen on loopback alone, on any system. It reads this when it is imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        where["include_dashboard"] = False
    try:
        import ray
    except ImportError:
        raise StudyError('--ray needs the extra for it: pip install -e ".[ray]"') from None
    _refuse_silent(address)
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise StudyError(f"--ray {address}: {str(error).splitlines()[0]}") from None
    try:
        _check(job, [node for node in ray.nodes() if node["Alive"]])
        _run(ray, job, number)
    finally:
        ray.shutdown()


def _refuse_silent(address: str) -> None:
    """Raise a `StudyError` if no Ray answers there, for which Ray would look for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return  # "local", "auto", or what Ray itself says more of
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS) as server:
            if os.environ.get("RAY_USE_TLS", "0") == "0":
                server.sendall(_HELLO)
                if server.recv(9)[3:4] != _SETTINGS[3:4]:
                    raise OSError("what answers is not Ray")
    except (OSError, OverflowError) as error:
        raise StudyError(
            f"--ray {address}: no Ray cluster answers there ({error}). Start it, and give the "
            "address that `ray start --head` printed, with its port; or give local"
        ) from None


def _check(job: Job, nodes: list[dict[str, Any]]) -> None:
    elsewhere = {node["NodeManagerHostname"] for node in nodes} - {socket.gethostname()}
    if elsewhere and job.run.location.sqlite_file() is not None:
        raise StudyError(
            f"the Ray cluster has other machines ({', '.join(sorted(elsewhere))}), which cannot "
            "share a SQLite file; give --storage postgresql+psycopg://..."
        )
    if job.run.device.startswith("cuda") and not any(
        node["Resources"].get("GPU") for node in nodes
    ):
        raise StudyError("the Ray cluster has no GPU; give --device cpu")


def _run(ray: Any, job: Job, number: int) -> None:
    resources = ray.cluster_resources()
    cpus = max(1, int(resources.get("CPU", 1)) // number)
    gpus = min(1.0, resources.get("GPU", 0) / number) if job.run.device.startswith("cuda") else 0
    # Ray shows an actor its own GPU alone.
    run = replace(job.run, device="cuda") if gpus else job.run
    # An actor's working folder is another one.
    run = run.absolute()
    job = replace(job, threads=cpus, run=run)
    # Dead actors are replaced here, so that they are counted like any dead worker.
    actor = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(Worker)
    deaths = Deaths(job.run.location)
    running: dict[Any, tuple[str, Any]] = {}
    processes: list[Any] = []
    stopped = False

    def start(name: str) -> None:
        worker = actor.remote()
        processes.append(worker.process.remote())
        running[worker.work.remote(job)] = (name, worker)

    try:
        for i in range(number):
            start(f"worker {i}")
        while running:
            for done in ray.wait(list(running), num_returns=1)[0]:
                name, _ = running.pop(done)
                try:
                    error = ray.get(done)
                except ray.exceptions.RayActorError:
                    deaths.add(name, "the loss of its Ray actor")
                    start(name)
                    continue
                if error is not None:
                    raise StudyError(error)
    except BaseException:
        stopped = True
        raise
    finally:
        for _, worker in running.values():
            ray.kill(worker)
        if stopped:
            # An actor at work hears of nothing, so its trial is released for it.
            known, _ = ray.wait(processes, num_returns=len(processes), timeout=0)
            with suppress(StudyError), no_retry(), job.run.location.explained():
                release(open_there(job.run.location), [ray.get(one) for one in known])


class Worker:
    """The actor."""

    def process(self) -> dict[str, Any]:
        """Return what its trials name it by."""
        return this_process()

    def work(self, job: Job) -> str | None:
        """Return None at the study's end, or why it stopped."""
        return error_of(job)
