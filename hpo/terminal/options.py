"""What the commands share: their options, each with the same meaning everywhere, and errors."""

import reprlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.markup import escape

from data.errors import DataError
from data.sources.request import DRAWER_NAMES
from hpo.study.errors import ConfigError, StudyError
from hpo.study.files import available
from hpo.study.provenance import VERSION
from hpo.study.samplers.table import PRUNERS, SAMPLERS, PrunerRow, SamplerRow
from hpo.study.storage.location import DEFAULT_OUT
from hpo.terminal import signals
from model.command import CommandApp as CommandApp
from model.command import examples as examples
from model.errors import DeviceError

MOST_WORKERS = 1000
_LEARNING_FROM_PRUNED = ", ".join(name for name, row in SAMPLERS.items() if row.learns_from_pruned)
_STUDY, _DATA, _SEARCH, _MACHINE = "Study", "Data", "Search", "Machine"


def _rows(table: Mapping[str, SamplerRow | PrunerRow]) -> str:
    return "; ".join(f"{name}: {row.summary}" for name, row in table.items())


def number(low: float = 1, high: float = 10**9) -> Callable[[float | None], float | None]:
    """Return a callback that checks that an option, if given, lies in this range."""

    def check(value: float | None) -> float | None:
        if value is not None and not low <= value <= high:
            raise typer.BadParameter(
                f"{reprlib.repr(value)} is out of range; it must be from {low:g} to {high:g}"
            )
        return value

    return check


Study = Annotated[
    str | None,
    typer.Option(
        "--study",
        metavar="NAME|FILE.toml",
        help=f"A study: {escape(', '.join(sorted(available())))}, or a study file of your own. "
        "Without it: paper on a CUDA GPU, compact on a CPU.",
        rich_help_panel=_STUDY,
        autocompletion=lambda: sorted(available()),
    ),
]
Existing = Annotated[
    str, typer.Option("--study", metavar="NAME", help="The study.", rich_help_panel=_STUDY)
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        metavar="DIR",
        help="The folder in which the study's folder lies.",
        rich_help_panel=_STUDY,
    ),
]
Storage = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="The study's database; postgresql+psycopg://... can be shared between machines. "
        "Without it: study.db in the study's folder.",
        rich_help_panel=_STUDY,
    ),
]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials",
        metavar="N",
        help="Stop at a total of N trials, including those of earlier runs. "
        "Without it: as the study file says.",
        rich_help_panel=_STUDY,
        callback=number(),
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="Start no new trial after this time; running trials finish.",
        rich_help_panel=_STUDY,
        callback=number(0),
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="STUDY|FILE.toml",
        help="Try the best 5 configurations of this study next, adapted to the search space. STUDY "
        "is a study in the same --out and --storage, or a folder such as studies/compact. From a "
        "file, such as report/best.toml, try each \\[\\[start]].",
        rich_help_panel=_SEARCH,
    ),
]
Tensorboard = Annotated[
    Path | None,
    typer.Option(
        "--tensorboard",
        metavar="DIR",
        help="Also write each trial's epochs and hyperparameters to DIR, for TensorBoard. Needs "
        "the extra tensorboard.",
        rich_help_panel=_STUDY,
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="auto|omniglot|glyphs|FOLDER",
        help="The data set. FOLDER holds <alphabet>/<character>/<image>, or "
        "<character>/<image>. Without it: as the study file says.",
        rich_help_panel=_DATA,
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="DIR",
        help="The folder with the data sets. Without it: OMNIGLOT_ROOT in the environment, "
        "./datasets or the cache.",
        rich_help_panel=_DATA,
    ),
]
DrawerNames = Annotated[
    str | None,
    typer.Option(
        "--drawer-names",
        metavar="|".join(DRAWER_NAMES),
        help="How to tell the drawers of a FOLDER: by file names ending in _NN (names), by the "
        "order of the files (rank), or by names if the same numbers recur across characters "
        "(auto). Without it: as the study file says.",
        rich_help_panel=_DATA,
    ),
]
LastFound = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="FOLDER",
        help="Where the study's data is now. Without it: where it was last found.",
        rich_help_panel=_DATA,
    ),
]
Sampler = Annotated[
    str | None,
    typer.Option(
        "--sampler",
        metavar="|".join(SAMPLERS),
        help=f"The sampler, which proposes configurations. {_rows(SAMPLERS)}. "
        f"These also learn from pruned trials: {_LEARNING_FROM_PRUNED}. "
        "Without it: as the study file says.",
        rich_help_panel=_SEARCH,
    ),
]
Pruner = Annotated[
    str | None,
    typer.Option(
        "--pruner",
        metavar="|".join(PRUNERS),
        help=f"The pruner, which stops trials early. {_rows(PRUNERS)}. "
        "Without it: as the study file says.",
        rich_help_panel=_SEARCH,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        help="The seed of all random numbers of the study. Without it: as the study file says.",
        rich_help_panel=_SEARCH,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the study file (budget.epochs=3) or a parameter "
        "('conv1.filters=64'); repeatable.",
        rich_help_panel=_STUDY,
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        "--workers",
        metavar="N",
        help="Processes that run trials here; they share the CPU's threads.",
        rich_help_panel=_MACHINE,
        callback=number(1, MOST_WORKERS),
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS|local",
        help="Place the workers on this Ray cluster, or with local on a temporary one here.",
        rich_help_panel=_MACHINE,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda|cuda:N",
        help="The device to train on; auto uses a CUDA GPU if there is one.",
        rich_help_panel=_MACHINE,
    ),
]


def _print_version(asked: bool) -> None:
    if asked:
        print(f"siamese-hpo {VERSION}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
    ),
]

OUT = DEFAULT_OUT


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the command cleanly, with a line on how to resume."""
    signals.raise_on_signals()
    try:
        yield
    except KeyboardInterrupt:
        print("Interrupted. Rerun the command to resume.")
        raise typer.Exit(signals.exit_code()) from None


@contextmanager
def reported() -> Iterator[None]:
    """Turn an error that a user can act on into one message and exit code 1, or 2 for usage."""
    try:
        yield
    except (ConfigError, DeviceError) as error:
        _fail(error, 2)
    except (StudyError, DataError, PermissionError) as error:  # one names its path
        _fail(error, 1)


def _fail(error: Exception, code: int) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    raise typer.Exit(code) from None
