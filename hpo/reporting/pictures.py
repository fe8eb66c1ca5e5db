"""The folder of a report's pictures."""

from pathlib import Path

from matplotlib.figure import Figure

from hpo.reporting.document import Picture
from hpo.results.plots.style import save


class PictureFolder:
    """Writes pictures into a report's folder and removes those of an earlier report."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._files: set[str] = set()

    def add(self, figure: Figure, name: str, title: str, caption: str = "") -> Picture:
        """Write ``<name>.png`` and return its block of the document."""
        file = f"{name}.png"
        save(figure, self.folder / file)
        self._files.add(file)
        return Picture(file, title, caption)

    def sweep(self) -> None:
        """Remove the pictures that were not added."""
        for path in self.folder.glob("*.png"):
            if path.name not in self._files:
                path.unlink()
