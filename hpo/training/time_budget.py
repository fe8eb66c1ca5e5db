"""A budget in minutes: how many epochs that is on this machine, measured by a short probe."""

import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

from data.files.sealed import sealing, set_aside, unsealed
from hpo.training.data import StudyData
from model.hyperparameters import Budget, Hyperparameters

_log = logging.getLogger(__name__)
_PROBE_BATCHES = {"cpu": 8, "cuda": 200}


def fit_to_time(
    inputs: StudyData, hyperparameters: Hyperparameters, budget: Budget, seconds: float, file: Path
) -> Budget:
    """Return ``budget`` scaled to about ``seconds`` of training and validation on this machine.

    The number of epochs is scaled, and with it the rise of momentum and the cosine schedule.
    Patience grows but does not shrink: a short fit's validation is as noisy as a long one's.
    If not even one epoch fits, it is cut short.
    The probe takes the time of a few minibatches and two validations, and ``file`` keeps its
    result, so that a resumed fit has the same budget.
    """
    try:
        with unsealed(file, earlier=b"{") as kept:
            return Budget(**json.load(kept))
    except (ValueError, TypeError) as error:
        set_aside(file, error, "the budget is measured again")
    except OSError:
        pass  # most often there is none yet
    pairs = _PROBE_BATCHES[inputs.train.device.type] * hyperparameters.recipe.pairs_per_batch
    probe = replace(
        budget, epochs=2, teraflops=None, pairs_per_epoch=min(budget.pairs_per_epoch, pairs)
    )
    # The first minibatches set things up, and are slower than all that follow.
    *_, result = inputs.trainer(hyperparameters, probe, seed=0).epochs()
    training = budget.pairs_per_epoch / result.pairs_per_second
    validation = max(0.0, result.seconds - probe.pairs_per_epoch / result.pairs_per_second)
    epochs = max(1, round(seconds / (training + validation)))
    scale = epochs / budget.epochs
    fraction = min(1.0, max(0.0, seconds - validation) / training)
    scaled = replace(
        budget,
        epochs=epochs,
        pairs_per_epoch=max(1, round(budget.pairs_per_epoch * fraction)),
        patience=round(budget.patience * max(1.0, scale)),
        momentum_epochs=max(1, round(budget.momentum_epochs * scale)),
        seconds=None,
        teraflops=None,
    )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with sealing(file) as kept:
            kept.write(json.dumps(asdict(scaled)).encode())
    except OSError as error:
        _log.warning(
            "%s cannot be written (%s); a resumed fit would measure its budget anew",
            file,
            error.strerror,
        )
    return scaled
