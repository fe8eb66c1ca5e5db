"""Opening a study, and making sure that it is the study it is taken for."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage

from hpo.study.config import FOLDER, StudyConfig
from hpo.study.errors import StudyError
from hpo.study.provenance import versions
from hpo.study.record import StudyRecord, record_study, refuse_other_config
from hpo.study.run import StudyRun
from hpo.study.samplers.table import PRUNERS, make_sampler, quiet
from hpo.study.storage.location import StudyLocation

OPTIONS = {
    "dataset": "data.dataset",
    "drawer_names": "data.drawer_names",
    "sampler": "search.sampler",
    "pruner": "search.pruner",
    "seed": "search.seed",
}
"""Options of commands that are part of a study's identity, and where they stand in it."""

METRIC = "one-shot validation accuracy"

optuna.logging.set_verbosity(logging.ERROR)
# Its tracebacks of a cursor that Ctrl-C hit say nothing that the error itself does not.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


def open_study(run: StudyRun) -> optuna.Study:
    """Return the study, created if it is not there yet.

    Raises:
        StudyError: its database cannot be used, or holds it with another config.
    """
    config, location = run.config, run.location
    location.make_folder()
    with location.exclusive():
        storage = location.database()
        _refuse_renamed(storage, location)
        search, epochs = config.search, config.budget.epochs
        with quiet():
            study = optuna.create_study(
                storage=storage,
                study_name=location.name,
                direction="maximize",
                load_if_exists=True,
                sampler=make_sampler(search.sampler, search.startup, config.rungs()),
                pruner=PRUNERS[search.pruner].make(epochs, search.startup, search.rungs),
            )
            study.set_metric_names([METRIC])
        record = StudyRecord.of(study)
        if not _has_begun(study, run) and record.config != config.identity():
            # New, or it never came to its data: nothing hangs on what was asked for then. The
            # identity comes last of what the study is, since a study that has one has it all.
            record_study(
                study,
                description=config.description,
                versions=versions(),
                config=config.identity(),
                beside=config.beside_identity(),
            )
    return study


def _has_begun(study: optuna.Study, run: StudyRun) -> bool:
    """Return whether the study has begun.

    Raises:
        StudyError: it has, with another config, or was not made here.
    """
    record, location = StudyRecord.of(study), run.location
    trials = study.get_trials(deepcopy=False)
    if record.config is None and trials:
        raise StudyError(
            f"{location.shown_url} holds a study {location.name} that was not made here; "
            "choose another --out or --storage"
        )
    begun = bool(trials) or record.data is not None
    if begun:
        refuse_other_config(record, location.name, run.config)
    return begun


def open_finished(location: StudyLocation) -> optuna.Study:
    """Return a study that is there, to read it; nothing is made or changed.

    Raises:
        StudyError: there is none, or it cannot be read.
    """
    _refuse_missing(location)
    with location.explained():
        return _loaded(location.read_only(), location)


def open_there(location: StudyLocation) -> optuna.Study:
    """Return a study that is there, to change it; only to read it where it is read-only.

    Raises:
        StudyError: there is none, or it cannot be used.
    """
    if location.is_read_only():
        return open_finished(location)
    _refuse_missing(location)
    with location.exclusive():
        return _loaded(location.database(), location)


def _refuse_missing(location: StudyLocation) -> None:
    file = location.sqlite_file()
    if file is not None and not file.exists():
        raise StudyError(f"there is no study {location.name} in {file}; run it first")


def _loaded(storage: RDBStorage, location: StudyLocation) -> optuna.Study:
    _refuse_renamed(storage, location)
    try:
        with quiet():
            study = optuna.load_study(study_name=location.name, storage=storage)
    except KeyError:
        raise StudyError(f"there is no study {location.name} in {location.shown_url}") from None
    if (n := len(study.directions)) > 1:
        raise StudyError(f"study {location.name} has {n} objectives, so it was not made here")
    return study


def read_record(location: StudyLocation) -> StudyRecord | None:
    """Return the record of a study, None if it is not there; nothing is made or changed.

    Raises:
        StudyError: its database cannot be read.
    """
    file = location.sqlite_file()
    if file is not None and not file.exists():
        return None
    try:
        with location.explained(), quiet():
            storage = location.read_only()
            return StudyRecord.of(optuna.load_study(study_name=location.name, storage=storage))
    except KeyError:
        return None


def open_as_run(run: StudyRun, dataset: str | None = None) -> tuple[optuna.Study, StudyRun]:
    """Return a study that is there, and ``run`` with the options that the study was started with.

    ``dataset`` is where its data is now, None for where it was last found.

    Raises:
        StudyError: there is none, it was started with another config, or its folder of images is
            no longer where it was.
    """
    study = open_finished(run.location)
    record = StudyRecord.of(study)
    known = dict(record.config or {})
    known["data.dataset"] = _last_found(record, run.location) if dataset is None else dataset
    config = run.config.changed(**{name: known.get(key) for name, key in OPTIONS.items()})
    run = replace(run, config=config)
    if not run.location.is_read_only():
        return open_study(run), run
    _has_begun(study, run)
    return study, run


def on_known_data(run: StudyRun, *, given: bool = False) -> StudyRun:
    """Return ``run`` on the data that its study was begun on, where none is asked for.

    That is where its data set is ``auto``, and, unless it was ``given`` by an option, where the
    study was begun on a folder of images, whatever other source its file names. The folder is
    taken where it was last found. Nothing is made or changed.

    Raises:
        StudyError: the study cannot be read, or its folder of images is no longer where it was.
    """
    from data.sources.table import is_folder

    asked = run.config.data.dataset
    if is_folder(asked) or (given and asked != "auto"):
        return run
    record = read_record(run.location)
    if record is None or record.data is None:
        return run
    known = (record.config or {}).get("data.dataset", "auto")
    if not (asked == "auto" or is_folder(known)):
        return run
    return replace(run, config=run.config.changed(dataset=_last_found(record, run.location)))


def remember_data(
    study: optuna.Study, run: StudyRun, name: str, digest: str, path: Path | None = None
) -> None:
    """Tie the study to its config and to the data of this digest; from now on it has begun.

    The ``path`` of a folder of the user's own is kept as where it was last found.

    Raises:
        StudyError: it was trained on other data, or was given another config meanwhile.
    """
    config, location = run.config, run.location
    read_only = location.is_read_only()
    with nullcontext() if read_only else location.exclusive():
        record = StudyRecord.of(study)
        refuse_other_config(record, location.name, config)
        known, data = record.data, {"name": name, "digest": digest}
        if path is not None:
            data |= {"source": FOLDER, **_storable(path)}
        if known is not None and known["digest"] != digest:
            raise StudyError(
                f"study {location.name} was started on other data:\n"
                f"  data: was {known['name']} ({known['digest'][:12]}), "
                f"now {name} ({digest[:12]})\n"
                "Give it that data again (--dataset, --data-root), or start anew with another --out"
            )
        # Where it was last found is not worth a refusal.
        if known is None or (known != data and not read_only):
            record_study(study, data=data)


def remember_beside(study: optuna.Study, run: StudyRun) -> None:
    """Keep what this run says beside the study's identity, its total of trials for one.

    Raises:
        StudyError: the database cannot be used.
    """
    with run.location.exclusive():
        if StudyRecord.of(study).beside != (now := run.config.beside_identity()):
            record_study(study, beside=now)


def known_identity(study: optuna.Study, config: StudyConfig) -> dict[str, Any]:
    """Return the config's identity in the study's own words.

    One started when identities still held a folder's path keeps it, so that its checkpoints and
    fits are known again.
    """
    from data.sources.table import is_folder

    known = (StudyRecord.of(study).config or {}).get("data.dataset", FOLDER)
    identity = config.identity()
    return {**identity, "data.dataset": known} if is_folder(known) else identity


def _refuse_renamed(storage: BaseStorage, location: StudyLocation) -> None:
    """Refuse a folder's database that holds studies of other names alone: nothing starts anew.

    Raises:
        StudyError: it is so; names them.
    """
    names = optuna.get_all_study_names(storage)
    if location.storage is None and names and location.name not in names:
        raise StudyError(renamed(location, names))


def renamed(location: StudyLocation, names: Sequence[str]) -> str:
    """Return what to say of a folder's database that holds studies of these other names alone."""
    found = ", ".join(f'"{name}"' for name in names)
    return (
        f"{location.sqlite_file()} holds no study {location.name}, but {found}; rename it back, "
        f"or give --storage {location.shown_url} and that name"
    )


def _last_found(record: StudyRecord, location: StudyLocation) -> str | None:
    """Return what the study's data is to be loaded by, a folder by its path.

    Raises:
        StudyError: the folder is no more where it was.
    """
    from data.sources.table import is_folder

    dataset = (record.config or {}).get("data.dataset")
    if dataset is None or not is_folder(dataset):
        return dataset
    if record.data is None:  # whatever folder was asked for, it never came to be read
        return None
    path = record.data.get("path", dataset)
    if path == FOLDER or not Path(path).is_dir():
        raise StudyError(
            f"the images of study {location.name} are not where they were last found"
            + (path != FOLDER) * f", in {path}"
            + "; say with --dataset where they are"
        )
    return str(path)


def _storable(path: Path) -> dict[str, str]:
    """Return the path as a database can keep it, nothing where its bytes are no text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return {}
    return {"path": str(path)}
