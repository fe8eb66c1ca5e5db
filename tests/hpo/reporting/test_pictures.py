from pathlib import Path

from hpo.reporting.pictures import PictureFolder
from hpo.results.plots.style import axes


def test_pictures_of_an_earlier_report_are_removed(tmp_path: Path) -> None:
    for name in ("stale.png", "kept.png", "report.md"):
        (tmp_path / name).write_bytes(b"old")
    pictures = PictureFolder(tmp_path)
    figure, _ = axes(height=2)
    block = pictures.add(figure, "kept", "A plot", "of nothing")
    assert (block.file, block.title, block.caption) == ("kept.png", "A plot", "of nothing")
    pictures.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.png", "report.md"]
    assert (tmp_path / "kept.png").read_bytes().startswith(b"\x89PNG")
