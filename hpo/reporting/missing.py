"""Which final fits a report lacks, and the commands for them."""

from hpo.reporting.document import Block, Command, Text
from hpo.results.fits import Fit
from hpo.study.storage.location import StudyLocation


def missing_fits(fits: list[Fit], location: StudyLocation) -> list[Block]:
    """Return what says which fits there are not, and what makes them."""
    command = f"python -m hpo.final_fit {location.options()}"
    blocks: list[Block] = []
    # A fit that learnt from other alphabets than the study's (`final-<alphabets>`) is neither.
    own = [fit for fit in fits if fit.folder.name in ("final", f"final-trial-{fit.metrics.trial}")]
    if not any(fit.folder.name == "final" for fit in own):
        blocks += [Text("The best configuration has no final fit yet; this makes it:")]
        blocks += [Command(command)]
    if not any(fit.metrics.trial == 0 for fit in own):
        blocks += [Text("The paper's configuration, trial 0, has no final fit yet; this makes it:")]
        blocks += [Command(f"{command} --trial 0")]
    return blocks
