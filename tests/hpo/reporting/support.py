"""What the tests of a report's sections share: a folder that keeps the plots, and table rows."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from hpo.reporting.document import (
    Beside,
    Block,
    Commands,
    Fold,
    Heading,
    Picture,
    PictureFolder,
    Table,
    Text,
    Verdict,
)


class KeptPictures(PictureFolder):
    """Keeps every plot in ``figures`` by its name, and writes none."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.figures: dict[str, Figure] = {}

    def add(self, figure: Figure, name: str, title: str, caption: str = "") -> Picture:
        """Keep the plot."""
        self.figures[name] = figure
        return Picture(f"{name}.png", title, caption)

    def legend(self, name: str) -> list[str]:
        """Return the labels in the legend of a plot."""
        return [text.get_text() for one in self.figures[name].legends for text in one.get_texts()]


def flat(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks, and those inside of others in place of these."""
    found: list[Block] = []
    for block in blocks:
        if isinstance(block, Fold):
            found.append(Heading(2, block.title))
        found += flat(block.blocks) if isinstance(block, Fold | Beside) else [block]
    return found


def typed(blocks: Sequence[Block]) -> list[str]:
    """Return the commands among ``blocks``."""
    return [line for block in blocks if isinstance(block, Commands) for line, _ in block.lines]


def cells(blocks: Sequence[Block], *starts: str) -> list[tuple[str, ...]]:
    """Return the rows of the tables among ``blocks`` that begin with these cells."""
    rows = [tuple(row) for block in flat(blocks) if isinstance(block, Table) for row in block.rows]
    return [row for row in rows if row[: len(starts)] == starts]


def prose(blocks: Sequence[Block]) -> str:
    """Return the headings, paragraphs and captions."""
    said = []
    for block in flat(blocks):
        if isinstance(block, Heading | Text):
            said.append(block.text)
        elif isinstance(block, Verdict):
            said += [block.line, *block.texts]
        elif isinstance(block, Table | Picture):
            said.append(block.caption)
    return "\n".join(said)
