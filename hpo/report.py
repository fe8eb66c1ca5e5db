"""What came of a study, as ``report.md`` and one self-contained ``report.html``."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hpo import options
from hpo.place import Place


def write_report(place: Place, others: Sequence[Place] = ()) -> Path:
    """Write ``report/`` into the study's folder and return it; the study itself is only read.

    Args:
        place: the study's.
        others: of studies to compare it with.

    Raises:
        StudyError: a study is not there or cannot be read.
    """
    from hpo.reporting.accuracy import accuracy, answers, papers_tables
    from hpo.reporting.comparison import comparison
    from hpo.reporting.document import write
    from hpo.reporting.fits import find_fits
    from hpo.reporting.overview import overview
    from hpo.reporting.pictures import Pictures
    from hpo.reporting.rows import rows
    from hpo.reporting.search import search
    from hpo.study import open_finished

    studies = [open_finished(each) for each in (place, *others)]
    with place.explained():
        folder = place.folder / "report"
        folder.mkdir(parents=True, exist_ok=True)
        study, pictures = studies[0], Pictures(folder)
        definition = study.user_attrs.get("definition", {})
        trials, fits = rows(study), find_fits(place)
        blocks = [
            *overview(study, trials, fits, place, datetime.now(UTC)),
            *accuracy(fits, place, pictures),
            *papers_tables(fits, definition, study.user_attrs.get("data", {})),
            *search(study, trials, definition, pictures),
            *comparison(studies, pictures),
            *answers(fits, pictures),
        ]
        write(blocks, folder)
        pictures.sweep()
    return folder


app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command(
    epilog=options.examples(
        "python -m hpo.report --study compact",
        "python -m hpo.report --study gp --compare tpe --compare random",
    )
)
def main(
    study: Annotated[
        str,
        typer.Option("--study", metavar="NAME", help="The study.", rich_help_panel="Study"),
    ],
    compare: Annotated[
        list[str] | None,
        typer.Option(
            "--compare",
            metavar="OTHER",
            help="Another study to set beside it, kept in the same place; give it again for more.",
            rich_help_panel="Study",
        ),
    ] = None,
    out: options.Out = options.OUT,
    storage: options.Storage = None,
) -> None:
    """Write what came of a study, finished or still running, into its folder's report/."""
    with options.reported():
        names = [name.removesuffix(".toml") for name in (study, *(compare or ()))]
        places = [Place(Path(name).name, out, storage) for name in names]
        folder = write_report(places[0], places[1:])
    print(f"{folder / 'report.md'}\n{folder / 'report.html'}")


if __name__ == "__main__":
    app()
