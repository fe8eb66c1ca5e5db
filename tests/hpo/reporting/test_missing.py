from pathlib import Path

import pytest

from hpo.reporting.document import Command
from hpo.reporting.missing import missing_fits
from hpo.results.fits import find_fits
from hpo.study.storage.location import StudyLocation
from hpo.terminal.commands import study_command
from tests.hpo.report_support import fake_fit
from tests.hpo.reporting.support import prose


@pytest.mark.parametrize(
    ("folders", "lines"),
    [
        ((), ["", " --trial 0"]),
        ((("final", 3, "omniglot"),), [" --trial 0"]),
        ((("final", 0, "omniglot"),), []),
        ((("final-trial-0", 0, "omniglot"),), [""]),
        # A fit on a small background set counts for neither.
        ((("final-small1", 0, "omniglot-small1"),), ["", " --trial 0"]),
    ],
)
def test_each_missing_fit_has_its_command(
    tmp_path: Path, folders: tuple[tuple[str, int, str], ...], lines: list[str]
) -> None:
    location = StudyLocation("smoke", tmp_path)
    for folder, trial, data in folders:
        fake_fit(location, folder, trial=trial, data=data)
    blocks = missing_fits(find_fits(location), location)
    command = study_command("fit", location, anywhere=True)
    assert [one.line for one in blocks if isinstance(one, Command)] == [
        f"{command}{line}" for line in lines
    ]
    assert prose(blocks).count("has no final fit yet") == len(lines)
