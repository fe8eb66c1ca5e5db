"""Opening a study, and making sure that it is the study it is taken for."""

import json
import logging
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import optuna

from data.paths import as_text, from_text
from hpo.definition import FOLDER, StudyDefinition
from hpo.errors import StudyError
from hpo.place import Place
from hpo.samplers import make_pruner, make_sampler, quiet

METRIC = "one-shot validation accuracy"

YARDSTICK = "pixel 1-NN"
"""The user attribute with what pixel 1-NN scores on the study's own validation trials."""

optuna.logging.set_verbosity(logging.ERROR)
# Its tracebacks of a cursor that Ctrl-C hit say nothing that the error itself does not.
logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


def open_study(definition: StudyDefinition, place: Place) -> optuna.Study:
    """Return the study, made if it is not there yet.

    Raises:
        StudyError: its database cannot be used, or holds it with another definition.
    """
    with place.exclusive():
        storage = place.database()
        search = definition.search
        with quiet():
            study = optuna.create_study(
                storage=storage,
                study_name=place.name,
                direction="maximize",
                load_if_exists=True,
                sampler=make_sampler(search.sampler, search.startup),
                pruner=make_pruner(search.pruner, definition.budget.epochs, search.startup),
            )
            study.set_metric_names([METRIC])
        known = study.user_attrs.get("definition")
        trials = study.get_trials(deepcopy=False)
        if known is None and trials:
            raise StudyError(
                f"{place.shown_url} holds a study {place.name} that was not made here; "
                "choose another --out or --storage"
            )
        if trials or "data" in study.user_attrs:
            _refuse_other_definition(known, definition.identity(), place)
        elif known != definition.identity():
            # New, or it never came to its data: nothing hangs on what was asked for then.
            study.set_user_attr("description", definition.description)
            study.set_user_attr("versions", versions())
            study.set_user_attr("definition", definition.identity())
    return study


def open_finished(place: Place) -> optuna.Study:
    """Return a study that is there, to read it.

    Raises:
        StudyError: there is none.
    """
    file = place.sqlite_file()
    if file is not None and not file.exists():
        raise StudyError(f"there is no study {place.name} in {file}; run it first")
    with place.exclusive():
        try:
            with quiet():
                return optuna.load_study(study_name=place.name, storage=place.database())
        except KeyError:
            raise StudyError(f"there is no study {place.name} in {place.shown_url}") from None


def open_as_run(
    definition: StudyDefinition, place: Place, dataset: str | None = None
) -> tuple[optuna.Study, StudyDefinition]:
    """Return a study that is there, and the definition with the options that it was run with.

    Args:
        definition: the study's, with the file's own options.
        place: where it is kept.
        dataset: where its data is now; None for where it was last found.

    Raises:
        StudyError: there is none, it was started with another definition, or its folder of images
            is no more where it was.
    """
    attributes = open_finished(place).user_attrs
    known = dict(attributes.get("definition", {}))
    known["data.dataset"] = dataset or _last_found(attributes, place)
    keys = {
        "dataset": "data.dataset",
        "drawer_names": "data.drawer_names",
        "sampler": "search.sampler",
        "pruner": "search.pruner",
        "seed": "search.seed",
    }
    definition = definition.changed(**{option: known.get(key) for option, key in keys.items()})
    return open_study(definition, place), definition


def remember_data(
    study: optuna.Study,
    place: Place,
    definition: StudyDefinition,
    name: str,
    digest: str,
    path: Path | None = None,
) -> None:
    """Tie the study to its definition and to the data of this digest; from now on it has begun.

    The ``path`` of a folder of the user's own is kept as where it was last found.

    Raises:
        StudyError: it has learnt from other data, or was given another definition meanwhile.
    """
    with place.exclusive():
        attributes = study.user_attrs
        _refuse_other_definition(attributes.get("definition"), definition.identity(), place)
        known, data = attributes.get("data"), {"name": name, "digest": digest}
        if path is not None:
            data |= {"source": FOLDER, "path": as_text(path)}
        if known is not None and known["digest"] != digest:
            raise StudyError(
                f"study {place.name} was started on other data:\n"
                f"  data: was {known['name']} ({known['digest'][:12]}), "
                f"now {name} ({digest[:12]})\n"
                "Give it that data again (--dataset, --data-root), or start anew with another --out"
            )
        if known != data:
            study.set_user_attr("data", data)


def known_identity(study: optuna.Study, definition: StudyDefinition) -> dict[str, Any]:
    """Return the definition's identity in the study's own words.

    One started when identities still held a folder's path keeps it, so that its checkpoints and
    fits are known again.
    """
    from data.sources import is_folder

    known = study.user_attrs.get("definition", {}).get("data.dataset", FOLDER)
    identity = definition.identity()
    return {**identity, "data.dataset": known} if is_folder(known) else identity


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on, the code's own revision among them."""
    found = {name: _version(name) for name in ("siamese-hpo", "torch", "optuna", "numpy")}
    return {**found, "python": platform.python_version(), "revision": _revision()}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _revision() -> str:
    """Return the git revision of this code, ``+`` behind it if files were changed since."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        here = Path(__file__).resolve().parent
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def _refuse_other_definition(known: Any, now: dict[str, Any], place: Place) -> None:
    from data.sources import is_folder  # with torch, which a mere reader does not need

    if known is None:
        return
    known = {key: value for key, value in known.items() if value is not None}
    if is_folder(known.get("data.dataset", "auto")):
        known["data.dataset"] = FOLDER
    if known == now:
        return
    lines = [
        f"  {key}: was {_shown(known, key)}, now {_shown(now, key)}"
        for key in sorted(known.keys() | now.keys())
        if _shown(known, key) != _shown(now, key)
    ]
    raise StudyError(
        f"study {place.name} was started with another definition:\n"
        + "\n".join(lines)
        + "\nGo on with the first one, or start anew with another --out or file name"
    )


def _last_found(attributes: dict[str, Any], place: Place) -> str | None:
    """Return what the study's data is to be loaded by, a folder by its path.

    Raises:
        StudyError: the folder is no more where it was.
    """
    from data.sources import is_folder

    dataset = attributes.get("definition", {}).get("data.dataset")
    if dataset is None or not is_folder(dataset):
        return dataset
    path = attributes.get("data", {}).get("path", dataset)
    if path == FOLDER or not from_text(path).is_dir():
        raise StudyError(
            f"the images of study {place.name} are not where they were last found"
            + (path != FOLDER) * f", in {path}"
            + "; say with --dataset where they are"
        )
    return str(path)


def _shown(flat: dict[str, Any], key: str) -> str:
    return json.dumps(flat[key]) if key in flat else "not there"
