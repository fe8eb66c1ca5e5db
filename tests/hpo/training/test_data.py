import torch

from hpo.search.workers.worker import Job
from hpo.training.data import load_data
from tests.hpo.support import tiny_dataset


def test_no_test_drawing_enters_the_study(job: Job) -> None:
    inputs = load_data(job.run)
    validation = inputs.validation
    for drawings in (inputs.train, validation.trials.drawings):
        names = {drawings.alphabet_names[i] for i in drawings.alphabet.unique()}
        assert "f" not in names
    assert len(validation.trials) == job.run.config.validation.trials


def test_the_data_are_the_same_at_every_call(job: Job) -> None:
    one, other = load_data(job.run), load_data(job.run)
    assert (one.name, one.digest) == ("tiny", tiny_dataset().digest)
    assert torch.equal(one.train.ink, other.train.ink)
    for name in ("query", "support", "answer"):
        first, second = (getattr(data.validation.trials, name) for data in (one, other))
        assert torch.equal(first, second)
    assert torch.equal(one.validation.pairs.same, other.validation.pairs.same)


def test_a_trainer_is_on_the_study_s_data(job: Job) -> None:
    config = job.run.config
    space = config.space()
    inputs = load_data(job.run)
    first = space.hyperparameters(space.initial_configurations[0])
    trainer = inputs.trainer(first, config.training_budget(), seed=3)
    assert (trainer.seed, trainer.device, trainer.history) == (3, inputs.train.device, [])
    assert trainer.hyperparameters == first
    assert trainer.budget.epochs == config.budget.epochs
    assert torch.equal(trainer.train_drawings.ink, inputs.train.ink)
    assert len(trainer.validation.trials) == config.validation.trials
