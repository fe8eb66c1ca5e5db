"""A study's report, as ``report.md`` and one self-contained ``report.html``."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from data.files.atomic import remove, write_bytes
from hpo.reporting.document import Block, Files, Fold, PictureFolder, write
from hpo.study.errors import StudyError
from hpo.study.storage.location import StudyLocation
from hpo.terminal import options
from hpo.terminal.named import existing_study

TRIALS, BEST = "trials.csv", "best.toml"


def write_report(location: StudyLocation, others: Sequence[StudyLocation] = ()) -> Path:
    """Write ``report/`` into the study's folder and return its path; the study is only read.

    The study is compared with ``others``. Beside the pages are `TRIALS`, with a row per trial;
    `BEST`, the winner's configuration in the format of a study file; and
    ``<study>-narrowed.toml``, a study over the ranges of the best trials.

    Raises:
        StudyError: a study does not exist, cannot be read or is named twice, or another process is
            writing its report.
    """
    names = [location.name, *(other.name for other in others)]
    if twice := next((each for each in others if names.count(each.name) > 1), None):
        raise StudyError(f"study {twice.name} cannot be compared with itself; name it once")
    from hpo.reporting.accuracy import accuracy, net_gallery, published_results
    from hpo.reporting.bounds import narrowed
    from hpo.reporting.comparison import comparison
    from hpo.reporting.overview import next_steps, overview, provenance
    from hpo.reporting.search import progress, search
    from hpo.reporting.winner import (
        best_start,
        initial_trial,
        race_section,
        winner_section,
        winning_trial,
    )
    from hpo.results.costs import as_csv, costed_trials, recorded_space, table
    from hpo.results.fits import find_fits
    from hpo.results.markdown import code
    from hpo.study.open import open_finished
    from hpo.study.record import StudyRecord
    from hpo.study.storage.lock import folder_lock

    studies = [open_finished(each) for each in (location, *others)]
    folder = location.folder / "report"
    with location.explained(), folder_lock(folder):
        folder.mkdir(parents=True, exist_ok=True)
        study, pictures = studies[0], PictureFolder(folder)
        record = StudyRecord.of(study)
        config = record.config or {}
        trials, space = costed_trials(study), recorded_space(config)
        fits = find_fits(location, space)
        winner = winning_trial(trials, fits)
        initial = initial_trial(trials, space, winner)
        # The file is named after the study, and file names have a limited length.
        second = f"{study.study_name[:200]}-narrowed.toml"
        files = {
            TRIALS: (as_csv(table(trials, space)), "a row for each trial"),
            BEST: (
                best_start(winner, space, study.study_name),
                "the winner as a `[[start]]`: paste it into a study file, or try it in another "
                f"study with {code(f'--from {shlex.quote(str((folder / BEST).absolute()))}')}",
            ),
            second: (
                narrowed(trials, record, study.study_name),
                "a study of the ranges that its best tenth lie in, for a second search: "
                f"{code(f'--study {shlex.quote(str((folder / second).absolute()))}')}",
            ),
        }
        blocks = [
            *overview(study, trials, fits, location, datetime.now(UTC)),
            *winner_section(winner, trials, space),
            *race_section(fits),
            *progress(study, trials, config, pictures),
            *next_steps(record, trials, fits, initial, location, others),
            *_written(files, folder),
            *comparison(studies, pictures),
            *accuracy(fits, pictures),
            *published_results(fits, config, record.data or {}),
            *search(study, trials, config, pictures),
            *net_gallery(fits, pictures),
            *([Fold("How it was made", made)] if (made := provenance(study)) else []),
        ]
        write(blocks, folder)
        pictures.sweep()
    return folder


def _written(files: Mapping[str, tuple[str, str]], folder: Path) -> list[Block]:
    """Write files, each a text with a description, and return links; remove those without text."""
    for name, (text, _) in files.items():
        if text:
            write_bytes(folder / name, text.encode())
        else:
            remove(folder / name)
    lines = [(name, what) for name, (text, what) in files.items() if text]
    return [Files(lines)] if lines else []


app = options.CommandApp()


@app.command(
    epilog=options.examples(
        "python -m hpo.report --study compact",
        "python -m hpo.report --study gp --compare tpe --compare random",
    )
)
def main(
    study: options.Existing,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare",
            metavar="OTHER",
            help="Another study of the same --out and --storage to compare with; repeatable.",
            rich_help_panel="Study",
        ),
    ] = None,
    out: options.Out = options.OUT,
    storage: options.Storage = None,
) -> None:
    """Write a report on a study, finished or still running, into its folder's report/."""
    with options.reported():
        names = (study, *(compare or ()))
        locations = [existing_study(name, out, storage) for name in names]
        folder = write_report(locations[0], locations[1:])
    for name in ("report.md", "report.html", TRIALS, BEST):
        if (folder / name).exists():
            print(folder / name)


if __name__ == "__main__":
    app()
