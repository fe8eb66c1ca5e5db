"""Workers on a Ray cluster of two nodes, both on this machine."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from hpo.search.workers.heartbeat import this_process
from hpo.search.workers.ray import _check, _run, run_on_ray
from hpo.search.workers.worker import Job
from hpo.study.attempts import finished
from hpo.study.errors import StudyError
from hpo.study.files import load
from hpo.study.open import open_finished, open_study
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from hpo.study.trials import TrialRecord, records
from tests import ROOT

_NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        # The nodes keep to loopback, and find what they import wherever they are started.
        environment.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        environment.setenv("PYTHONPATH", str(ROOT))
        pytest.importorskip("ray", reason='Ray is not installed: the extra "ray"')
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=_NODE | {"include_dashboard": False})
        try:
            cluster.add_node(**_NODE)
            yield cluster.address
        finally:
            cluster.shutdown()


@pytest.fixture
def smoke(tmp_path: Path) -> Job:
    config = load("smoke").changed(sampler="random", trials=6)
    return Job(run=StudyRun(config=config, location=StudyLocation("smoke", tmp_path)), total=6)


def actors() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if "ray::Worker" in str(p.info["cmdline"])]


def test_actors_finish_a_study_though_one_is_killed(smoke: Job, address: str) -> None:
    study = open_study(smoke.run)

    def kill() -> None:
        end = time.monotonic() + 200
        while not finished(study) and time.monotonic() < end:
            time.sleep(0.2)
        for actor in actors()[:1]:
            os.kill(actor.pid, signal.SIGKILL)
            killed.append(actor.pid)

    killed: list[int] = []
    killer = threading.Thread(target=kill)
    killer.start()
    run_on_ray(smoke, 2, address)
    killer.join()
    assert killed
    trials = open_finished(smoke.run.location).trials
    assert finished(study) == 6
    assert len({(TrialRecord.of(trial).worker or {})["pid"] for trial in trials}) >= 2


def test_what_travels_means_the_same_elsewhere(
    smoke: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    sent: list[Job] = []

    class Remote:
        """Ray, as far as `_run` goes: an actor whose working folder is another one."""

        exceptions = SimpleNamespace(RayActorError=KeyError)

        def cluster_resources(self) -> dict[str, float]:
            return {"CPU": 1.0}

        def remote(self, **_: Any) -> Any:
            work = SimpleNamespace(remote=lambda job: sent.append(job) or "done")  # type: ignore[func-returns-value]
            actor = SimpleNamespace(work=work, process=SimpleNamespace(remote=this_process))
            return lambda worker: SimpleNamespace(remote=lambda: actor)

        def wait(self, running: list[str], num_returns: int) -> tuple[list[str], list[str]]:
            return running, []

        def get(self, done: str) -> None:
            return None

    location = StudyLocation("smoke", Path("relative"))
    _run(Remote(), replace(smoke, run=replace(smoke.run, location=location)), 1)
    assert [job.run.location.out for job in sent] == [tmp_path / "relative"]


def test_an_interrupted_run_stops_its_trials_politely(
    smoke: Job, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = open_study(smoke.run)
    import ray

    wait = ray.wait

    def interrupted(refs: list[Any], num_returns: int, **options: Any) -> Any:
        if options:
            return wait(refs, num_returns=num_returns, **options)
        end = time.monotonic() + 60
        while time.monotonic() < end and not any(record.epochs for record in records(study)):
            time.sleep(0.1)
        raise KeyboardInterrupt

    monkeypatch.setattr(ray, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_on_ray(smoke, 2, address)
    begun = [record for record in records(study) if record.state.name != "COMPLETE"]
    assert begun
    assert {(one.state.name, one.stopped, one.failure) for one in begun} == {("FAIL", True, None)}


def test_an_error_of_all_actors_is_one_message(smoke: Job, address: str, tmp_path: Path) -> None:
    config = smoke.run.config.changed(dataset=str(tmp_path / "nowhere"))
    run = StudyRun(config=config, location=StudyLocation("other", tmp_path))
    open_study(run)
    with pytest.raises(StudyError, match="nowhere"):
        run_on_ray(replace(smoke, run=run), 2, address)


def test_a_cluster_that_is_not_there_is_one_message(smoke: Job) -> None:
    pytest.importorskip("ray", reason='Ray is not installed: the extra "ray"')
    with pytest.raises(StudyError, match="--ray"):
        run_on_ray(smoke, 1, "no address at all")


@pytest.mark.parametrize("there", ["nothing", "silence", "another service"])
def test_where_no_ray_answers_is_said_soon(
    smoke: Job, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    pytest.importorskip("ray", reason='Ray is not installed: the extra "ray"')
    monkeypatch.setattr("hpo.search.workers.ray.ANSWER_SECONDS", 0.5)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if there != "nothing":
            listening.listen()
        if there == "another service":

            def serve() -> None:
                with listening.accept()[0] as client:
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            threading.Thread(target=serve, daemon=True).start()
        port, started = listening.getsockname()[1], time.monotonic()
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}")[
            : 1 + (there != "another service")
        ]:
            with pytest.raises(
                StudyError, match=r"no Ray cluster answers there .*ray start --head"
            ):
                run_on_ray(smoke, 1, address)
    assert time.monotonic() - started < 10


def node(name: str, **resources: float) -> dict[str, Any]:
    return {"NodeManagerHostname": name, "Resources": resources, "Alive": True}


def test_what_a_cluster_cannot_do_is_said(smoke: Job) -> None:
    with pytest.raises(StudyError, match="postgresql"):
        _check(smoke, [node("elsewhere")])
    with pytest.raises(StudyError, match="no GPU"):
        _check(replace(smoke, run=replace(smoke.run, device="cuda")), [])
    location = StudyLocation("smoke", storage="postgresql+psycopg://me@host/db")
    shared = replace(smoke, run=replace(smoke.run, location=location, device="cuda"))
    _check(shared, [node("elsewhere", GPU=2.0)])
