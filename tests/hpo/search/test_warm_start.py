from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.distributions import IntDistribution

from hpo.search.warm_start import TAKEN, enqueue_from, fit, initial_configurations, proposals
from hpo.search.workers.worker import Job, work
from hpo.study.errors import ConfigError, StudyError
from hpo.study.files import load, written_start
from hpo.study.open import open_finished, open_study
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from tests.hpo.support import distributions, tiny_config, tiny_job


def made(name: str, out: Path, values: list[float], **changes: object) -> StudyLocation:
    """Return a study of the tiny space with a finished trial of each value."""
    location = StudyLocation(name, out)
    config = tiny_config().model_copy(update={"name": name})
    study = open_study(StudyRun(config=config, location=location))
    space = config.space()
    for i, value in enumerate(values):
        params = {**space.initial_configurations[0], "fc.units": 8 + 8 * (i % 4), **changes}
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=distributions(space), value=value
            )
        )
    return location


def test_the_best_are_tried_next_and_never_twice(job: Job, tmp_path: Path) -> None:
    source = made("other", tmp_path, [0.3, 0.9, 0.5])
    study = open_study(job.run)
    lines = enqueue_from(study, job.run, source)
    assert lines[0].startswith("trial 1 of other (90.0%)")
    assert "before" in enqueue_from(study, job.run, source)[0]
    work(replace(job, total=3))
    enqueue_from(study, job.run, source)
    work(replace(job, total=6))
    units = [trial.params["fc.units"] for trial in open_finished(job.run.location).trials]
    # The study's own start comes first, then the other's by value, then the sampler's.
    assert units[:4] == [16, 16, 24, 8]
    assert len(units) == 6


def test_a_study_that_has_begun_takes_over_from_there(job: Job, tmp_path: Path) -> None:
    work(replace(job, total=2))
    study, space = open_study(job.run), job.run.config.space()
    enqueue_from(study, job.run, made("other", tmp_path, [0.3]))
    enqueue_from(study, job.run, made("another", tmp_path, [0.4]))
    given = initial_configurations(study, space)
    assert given[0] == space.initial_configurations[0]
    assert given[1] == {}
    assert [bool(one) for one in given[2:]] == [True, True]
    work(replace(job, total=3))
    assert open_finished(job.run.location).trials[2].params == given[2]


def test_only_the_best_are_taken_and_each_once(tmp_path: Path) -> None:
    source = made("other", tmp_path, [0.1 * i for i in range(8)])
    run = tiny_job(tmp_path).run
    study = open_study(run)
    enqueue_from(study, run, source)
    taken = initial_configurations(study, run.config.space())[1:]
    assert 0 < len(taken) <= TAKEN
    assert len({str(one) for one in taken}) == len(taken)


def test_what_does_not_fit_is_said() -> None:
    space = tiny_config().space()
    values = {
        **space.initial_configurations[0],
        "conv1.filters": 64,
        "conv2.kernel_size": 1,
        "fc.units": 21,
        "conv3.filters": 8,
        "net.padding": "same",
    }
    del values["fc.l2"]
    fitted = fit(values, space)
    assert fitted.values["conv1.filters"] == 6
    assert fitted.values["conv2.kernel_size"] == 3
    assert fitted.values["fc.units"] == 24
    assert "conv3.filters" not in fitted.values
    said = "; ".join(fitted.changes)
    for words in ("conv1.filters 64 → 6", "conv2.kernel_size 1 → 3", "fc.units 21 → 24"):
        assert words in said
    assert 'net.padding "same" → "valid", fixed here' in said
    assert "sampled: fc.l2" in said


@pytest.mark.parametrize(("source", "target"), [("compact", "paper"), ("paper", "beyond")])
def test_the_shipped_studies_hand_on_to_each_other(source: str, target: str) -> None:
    start, space = load(source).space().initial_configurations[0], load(target).space()
    fitted = fit(start, space)
    assert {name.partition(".")[0] for name in fitted.values} >= {"conv1", "conv4", "fc", "output"}
    for name, value in fitted.values.items():
        assert value in space.searched[name]  # type: ignore[operator]


def test_a_wrong_source_is_said(job: Job, tmp_path: Path) -> None:
    study = open_study(job.run)
    with pytest.raises(StudyError, match="that is the study itself"):
        enqueue_from(study, job.run, job.run.location)
    with pytest.raises(StudyError, match="there is no study none"):
        enqueue_from(study, job.run, StudyLocation("none", tmp_path))
    with pytest.raises(StudyError, match="has no trials yet"):
        enqueue_from(study, job.run, made("idle", tmp_path, []))


def test_values_that_only_another_program_knows_are_left_out(job: Job, tmp_path: Path) -> None:
    source, space = made("other", tmp_path, [0.3]), job.run.config.space()
    config = tiny_config().model_copy(update={"name": "other"})
    open_study(StudyRun(config=config, location=source)).add_trial(
        optuna.trial.create_trial(
            params={"alien": 1, "fc.units": 16},
            distributions={"alien": IntDistribution(0, 1), "fc.units": IntDistribution(8, 32)},
            value=0.9,
        )
    )
    (one, _), (line, _) = proposals(source, space)
    assert one.values == {"fc.units": 16}
    assert "sampled: conv1" in line


def test_a_file_of_starts_is_a_source_like_a_study(job: Job, tmp_path: Path) -> None:
    source, file = made("other", tmp_path, [0.3, 0.9, 0.5]), tmp_path / "best.toml"
    best, *_ = open_finished(source).best_trials
    text = written_start({"net.depth": 2, "net.poolings": 1, **best.params})
    file.write_text(text)
    study, space = open_study(job.run), job.run.config.space()
    (one,), lines = proposals(file, space)
    assert one == proposals(source, space)[0][0]
    assert lines == ["start 0 of best.toml: enqueued unchanged"]
    assert enqueue_from(study, job.run, file) == lines
    assert "before" in enqueue_from(study, job.run, file)[0]
    # Rebuilt with another winner, it is another source.
    file.write_text(text.replace('"fc.units" = 16', '"fc.units" = 24'))
    assert enqueue_from(study, job.run, file) == lines
    work(replace(job, total=3))
    units = [trial.params["fc.units"] for trial in open_finished(job.run.location).trials]
    assert units == [16, 16, 24]


def test_a_start_of_a_file_is_fitted_to_the_space(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[start]]\n"*.filters" = 64\n"net.padding" = "same"\n')
    (one,), (line,) = proposals(file, tiny_config().space())
    assert one.values["conv1.filters"] == 6
    assert line.startswith("start 0 of mine.toml: conv1.filters 64 → 6; ")
    assert 'net.padding "same" → "valid", fixed here' in line
    assert "sampled: conv1.kernel_size" in line


def test_a_wrong_file_of_starts_is_said(job: Job, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        enqueue_from(open_study(job.run), job.run, tmp_path / "none.toml")
