"""What is made of a fit for others: made again if it is missing or damaged."""

import pytest
from PIL import Image

from hpo.results.fits import CURVE, ONNX, exports
from hpo.search.workers.worker import Job
from tests.hpo.fits.test_joined import fit, said, searched


def test_what_is_made_of_a_fit_for_others_is_made_again(
    job: Job, trained: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = searched(job)
    metrics = fit(job, 2)
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    trained.clear()
    for name in exports(metrics):
        good = kept[name]
        for damaged in (None, good[: len(good) // 2], b"something else", b""):
            (folder / name).unlink()
            if damaged is not None:
                (folder / name).write_bytes(damaged)
            said(capsys)
            assert fit(job, 2) == metrics
            assert f"written again: {name}" in said(capsys)
    assert not trained
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == kept
    assert fit(job, 2) == metrics
    assert "written again" not in said(capsys)
    # One that cannot be written does not keep the others from it.
    for name in (CURVE, ONNX):
        (folder / name).unlink()
    (folder / ONNX).mkdir()
    Image.new("RGB", (9, 9)).save(folder / CURVE, format="JPEG")
    fit(job, 2)
    told = said(capsys)
    assert f"cannot be written: {ONNX} (Is a directory)" in told
    assert f"written again: {CURVE}" in told
    assert (folder / CURVE).read_bytes() == kept[CURVE]
