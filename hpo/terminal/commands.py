"""The commands, and how one of them is written for a person to type."""

import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

from hpo.study.storage.location import StudyLocation

SCRIPT = "siamese-hpo"


class Row(NamedTuple):
    """A command: the module whose ``app`` it is, and what it does."""

    module: str
    summary: str


COMMANDS = {
    "run": Row("run_study", "Search hyperparameters: run a study, or resume it."),
    "fit": Row("hpo.final_fit", "Retrain the best configuration at full length, and test it."),
    "report": Row("hpo.report", "Write a report on a study."),
    "dashboard": Row("hpo.dashboard", "Show a study in the browser."),
    "ablate": Row("hpo.ablation", "Measure what each change of configuration is worth."),
    "predict": Row("model.predict", "Classify images with a fitted net."),
    "baselines": Row("model.baselines", "Score the baselines on Omniglot's official runs."),
}


def command(name: str) -> str:
    """Return how a command is started: as ``siamese-hpo``, where that is installed."""
    if shutil.which(SCRIPT):
        return f"{SCRIPT} {name}"
    module = COMMANDS[name].module
    return f"python {module}.py" if name == "run" else f"python -m {module}"


def study_command(
    name: str,
    location: StudyLocation,
    data_root: Path | None = None,
    *,
    anywhere: bool = False,
) -> str:
    """Return the line of a command of `COMMANDS` on a study; ``anywhere``, it works in any folder.

    A command that reads data sets has their folder, if ``data_root`` is given.
    """
    line = f"{command(name)} {location.options(anywhere=anywhere)}"
    if data_root is not None and name in ("run", "fit", "ablate"):
        line += f" --data-root {shlex.quote(str(data_root.absolute()))}"
    return line
