"""Studies and final fits that look like real ones, made without any training."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from safetensors.torch import save_file

from hpo.results.accuracy import ENSEMBLE, NET, Accuracy
from hpo.results.metrics import (
    GALLERY,
    Confusion,
    EnsembleFit,
    Gallery,
    GalleryTrial,
    Metrics,
    SeedFit,
    save_metrics,
)
from hpo.study.config import StudyConfig
from hpo.study.files import load
from hpo.study.open import open_study
from hpo.study.record import record_study
from hpo.study.run import StudyRun
from hpo.study.storage.location import StudyLocation
from model.baselines import BASELINES
from model.net.calibration import Calibration
from model.net.siamese import parameter_count
from tests.hpo.support import distributions

ALPHABETS = {
    "Angelic": 20,
    "Atemayar_Qelisayer": 26,
    "Atlantean": 26,
    "Aurek-Besh": 26,
    "Ge_ez": 26,
    "Glagolitic": 45,
    "Kannada": 41,
    "Malayalam": 47,
    "Old_Church_Slavonic_(Cyrillic)": 45,
    "ULOG": 12,
}
WAYS = (2, 5, 10, 15, 20)
_START = datetime(2026, 3, 1, 8)
_STATES = {"C": TrialState.COMPLETE, "R": TrialState.RUNNING}
_STATES |= dict.fromkeys("PQ", TrialState.PRUNED)


def fake_study(
    location: StudyLocation,
    states: str,
    *,
    base: str = "compact",
    sampler: str = "random",
    seed: int = 0,
) -> optuna.Study:
    """Make a study, a letter a trial: Complete, Pruned, Queued (paused), Failed, Died, Running."""
    config = load(base).changed(sampler=sampler, seed=seed)
    config = config.model_copy(update={"name": location.name})
    study = open_study(StudyRun(config=config, location=location))
    record_study(study, data={"name": "omniglot", "digest": "0123456789abcdef"})
    generator = np.random.default_rng(seed)
    clock, high = _START, 0.5 if sampler == "random" else 0.65
    trials, space = [], config.space()
    domains, drawn = distributions(space), optuna.create_study(sampler=RandomSampler(seed=seed))
    for number, letter in enumerate(states):
        params = drawn.ask(domains).params if number else dict(space.initial_configurations[0])
        trial = _trial(config, params, domains, generator, letter, number, high)
        if number == 20:
            # The study was stopped for a night.
            clock += timedelta(hours=11)
        trial.datetime_start = clock
        clock += timedelta(seconds=trial.user_attrs.get("seconds", 20))
        if trial.state.is_finished():
            trial.datetime_complete = clock
        trials.append(trial)
    study.add_trials(trials)
    return study


def _trial(
    config: StudyConfig,
    params: dict[str, Any],
    distributions: dict[str, BaseDistribution],
    generator: np.random.Generator,
    letter: str,
    number: int,
    high: float,
) -> FrozenTrial:
    net = config.space().hyperparameters(params).architecture
    good = -abs(np.log10(params["conv1.learning_rate"]) + 2) / 4 + params["fc.units"] / 9000
    good -= 0.12 * (number == 0)
    top = float(np.clip(high + good + generator.normal(0, 0.05), 0.05, 0.95))
    epochs = config.budget.epochs
    reached = {"C": epochs, "P": int(generator.integers(1, epochs)), "D": 1, "R": 3}
    reached |= {"F": 0 if number % 2 else 2, "Q": 1 + number % 2}
    values = {
        epoch: round(320 * (0.05 + (top - 0.05) * (1 - 0.6**epoch))) / 320
        for epoch in range(1, reached[letter] + 1)
    }
    attributes: dict = {"parameters": (count := parameter_count(net)), "device": "cpu"}
    if letter in "CPQ":
        attributes["pairs_seen"] = reached[letter] * config.budget.pairs_per_epoch
        attributes["seconds"] = reached[letter] * (3 + count / 4e5)
        attributes["best_epoch"] = max(values, key=lambda epoch: values[epoch])
        attributes["paused"] = letter == "Q"
    if letter == "F":
        attributes["failure"] = (
            "RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried to allocate "
            "1234567890 bytes | <b>buy more</b>"
            if number % 2
            else "ValueError: the loss is not finite"
        )
    return create_trial(
        state=_STATES.get(letter, TrialState.FAIL),
        value=max(values.values()) if letter == "C" else None,
        params=params,
        distributions=distributions,
        user_attrs=attributes,
        intermediate_values=values,
    )


def fake_fit(
    location: StudyLocation,
    folder: str,
    *,
    trial: int,
    seeds: int = 3,
    level: float = 0.7,
    data: str = "omniglot",
    old: bool = False,
    ensemble: bool = False,
) -> Metrics:
    """Write a final fit's metrics, gallery and first weights, and return the metrics.

    All intervals of an ``old`` one are over trials. One with an ``ensemble`` has its accuracies,
    not its nets.
    """
    generator = np.random.default_rng(trial)
    path = location.folder / folder
    path.mkdir(parents=True)
    figures = _figures(generator, seeds, level)
    if ensemble:
        figures += [_better(one) for one in figures if one.system == NET]
    metrics = Metrics(
        study=location.name,
        trial=trial,
        title=f"trial {trial}" if "trial" in folder else "best",
        parameters={"conv1.filters": 64},
        data={"name": data, "digest": "0123456789abcdef"},
        image_size=35,
        net_parameters=1_234_567,
        device="cpu",
        minutes=12.5,
        kept_seed=11,
        seeds=[_seed_fit(11 + i) for i in range(seeds)],
        ensemble=_ensemble_fit([11 + i for i in range(seeds)]) if ensemble else None,
        figures=[one if old else _wide(one) for one in figures],
        gallery=_gallery(path, generator),
        versions={"torch": torch.__version__},
    )
    save_metrics(metrics, path)
    save_file(
        {"convolutions.0.weight": torch.randn(64, 1, 5, 5, generator=torch.Generator())},
        path / "model.safetensors",
    )
    return metrics


def _seed_fit(seed: int) -> SeedFit:
    return SeedFit(
        seed=seed,
        epochs=8,
        best_epoch=7,
        validation_accuracy=0.71,
        calibration=Calibration(shift=13.5, scale=1.25),
        false_accept=0.0425,
        false_reject=0.0675,
        pairs_seen=51_200,
        seconds=80.5,
        history=[],
    )


def _ensemble_fit(seeds: list[int]) -> EnsembleFit:
    return EnsembleFit(
        seeds=seeds,
        validation_accuracy=0.75,
        calibration=Calibration(shift=0.5, scale=2.0),
        false_accept=0.0125,
        false_reject=0.0375,
    )


def _better(figure: Accuracy) -> Accuracy:
    """Return an ensemble's accuracy in place of its nets'."""
    which = {name: getattr(figure, name) for name in ("protocol", "title", "way", "alphabet")}
    which |= {"chance": figure.chance, "left_out": figure.left_out, "system": ENSEMBLE}
    return Accuracy.of([min(1.0, figure.mean + 0.04)], trials=figure.trials, **which)


def _wide(figure: Accuracy) -> Accuracy:
    """Return the accuracy with an interval over alphabets in general, where it has one."""
    known = {"alphabets": 1 if figure.alphabet else 10, "characters": 200}
    if figure.protocol != "mnist" and figure.alphabet is None:
        low, high = max(0.0, figure.low - 0.02), min(1.0, figure.high + 0.01)
        known |= {"interval": "alphabets", "low": low, "high": high}
    return figure.model_copy(update=known)


def _figures(generator: np.random.Generator, seeds: int, level: float) -> list[Accuracy]:
    def scores(mean: float, count: int = seeds) -> list[float]:
        return [float(np.clip(mean + generator.normal(0, 0.015), 0, 1)) for _ in range(count)]

    made = []
    for protocol, way, trials, net, baseline in (
        ("official_runs", 20, 400, level - 0.03, 0.2175),
        ("verification", None, 10_000, 0.9, 0.62),
        ("mnist", 10, 400, level, 0.265),
    ):
        chance = 1 / way if way else 0.5
        common = {"protocol": protocol, "way": way, "trials": trials, "chance": chance}
        for system in (NET, *BASELINES):
            values = scores(net) if system == NET else [baseline]
            made.append(Accuracy.of(values, system=system, title=protocol, **common))
    for way in WAYS:
        for name in (None, *ALPHABETS):
            if name and ALPHABETS[name] < way:
                continue
            trials = 400 if name else 4000
            mean = level ** (np.log(way) / np.log(20)) + (generator.normal(0, 0.05) if name else 0)
            left_out = [other for other, count in ALPHABETS.items() if count < way]
            for system in (NET, *BASELINES):
                guess = 0.24 ** (np.log(way) / np.log(20))
                values = scores(mean) if system == NET else scores(guess, 1)
                made.append(
                    Accuracy.of(
                        values,
                        trials=trials,
                        protocol="n_way",
                        system=system,
                        title=f"{way}-way",
                        way=way,
                        alphabet=name,
                        chance=1 / way,
                        left_out=[] if name else left_out,
                    )
                )
    return made


def _gallery(path: Path, generator: np.random.Generator) -> Gallery:
    ink = np.zeros((126, 35, 35), np.uint8)
    for drawing in ink:
        x, y = generator.integers(6, 29, 2)
        for _ in range(140):
            x, y = np.clip([x, y] + generator.integers(-2, 3, 2), 2, 32)
            drawing[y - 1 : y + 1, x - 1 : x + 1] = 255
    np.savez_compressed(path / GALLERY, ink=ink)
    names = list(ALPHABETS)
    shown = []
    for i in range(6):
        answer = int(generator.integers(20))
        chosen = int(generator.integers(20)) if i < 3 else answer
        scores = generator.uniform(0, 0.8, 20)
        scores[chosen] = 0.93
        support = list(range(21 * i + 1, 21 * i + 21))
        shown.append(
            GalleryTrial(
                alphabet=names[i],
                query=21 * i,
                support=support,
                answer=answer,
                chosen=chosen,
                scores=scores.tolist(),
            )
        )
    confused = [
        Confusion(
            alphabet=names[i],
            asked=f"{names[i]}/character{i + 1:02}",
            answered=f"{names[i]}/character{i + 3:02}",
            count=20 - i,
            offered=38,
            asked_drawing=7 * i,
            answered_drawing=7 * i + 3,
        )
        for i in (8, *range(7))
    ]
    return Gallery(
        source="official_runs", trials=shown, confusion_source="n_way", confusions=confused
    )
