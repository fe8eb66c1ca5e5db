"""A study as it runs here: its config, where it is kept, its data and its device."""

from dataclasses import dataclass, replace
from pathlib import Path

from hpo.study.config import StudyConfig
from hpo.study.storage.location import StudyLocation


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """What everything that trains for a study needs to know; it can be sent to another process.

    ``data_root`` is the folder of the data sets, None for the usual ones; ``device`` is ``cpu``,
    ``cuda`` or ``cuda:N``.
    """

    config: StudyConfig
    location: StudyLocation
    data_root: Path | None = None
    device: str = "cpu"

    def absolute(self) -> "StudyRun":
        """Return the run with paths that mean the same in any process, whatever its folder is."""
        from data.sources.table import is_folder  # with torch, which --help does not need

        config, root = self.config, self.data_root
        if is_folder(config.data.dataset):
            config = config.changed(dataset=str(Path(config.data.dataset).absolute()))
        return replace(
            self,
            config=config,
            location=self.location.absolute(),
            data_root=None if root is None else root.absolute(),
        )
