"""The final fits that a report lacks, and the commands for them."""

from hpo.reporting.document import Block, Command, Text
from hpo.results.fits import SavedFit
from hpo.study.storage.location import StudyLocation
from hpo.terminal.commands import study_command


def missing_fits(fits: list[SavedFit], location: StudyLocation) -> list[Block]:
    """Return a paragraph and a command for each missing fit."""
    command = study_command("fit", location, anywhere=True)
    blocks: list[Block] = []
    # A fit on another background set than the study's (`final-<alphabets>`) is neither.
    own = [fit for fit in fits if fit.folder.name in ("final", f"final-trial-{fit.metrics.trial}")]
    if not any(fit.folder.name == "final" for fit in own):
        blocks += [Text("The best configuration has no final fit yet. Fit it with:")]
        blocks += [Command(command)]
    if not any(fit.metrics.trial == 0 for fit in own):
        blocks += [Text("The paper's configuration, trial 0, has no final fit yet. Fit it with:")]
        blocks += [Command(f"{command} --trial 0")]
    return blocks
