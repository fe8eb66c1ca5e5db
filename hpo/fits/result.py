"""Testing a final fit, once, and writing the files of its folder."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.table import Table

from data.batches.one_shot import OneShotTrials
from data.files.atomic import remove
from hpo.fits.evaluation import net_answers, with_baselines, with_ensemble
from hpo.fits.fitter import TrainedNet
from hpo.fits.gallery import make_gallery
from hpo.fits.held_out import load_benchmark
from hpo.results import published
from hpo.results.accuracy import ENSEMBLE, NET, Accuracy
from hpo.results.answers import accuracies, save_answers
from hpo.results.fits import CURVE, ENSEMBLE_ONNX, ONNX, exports
from hpo.results.metrics import (
    METRICS,
    Candidate,
    EnsembleFit,
    Metrics,
    SeedFit,
    save_metrics,
)
from hpo.results.plots.training_curve import draw_curve
from hpo.study.provenance import is_uncommitted, versions
from hpo.study.run import StudyRun
from hpo.terminal.commands import command, study_command
from hpo.terminal.fit_progress import FitProgress
from hpo.training.data import StudyData
from model.baselines import BASELINES
from model.device import described
from model.evaluation.protocols import Verification
from model.evaluation.scores import one_shot_accuracy
from model.net.calibration import IDENTITY
from model.net.ensemble import Ensemble
from model.net.export import export_onnx
from model.net.saved import SavedNet, load_net, save_net
from model.net.saved_ensemble import (
    SavedEnsemble,
    load_ensemble,
    remove_ensemble,
    save_ensemble,
)
from model.net.siamese import parameter_count


@dataclass(frozen=True, eq=False, kw_only=True)
class FinalFit:
    """All that was trained, before it is tested.

    Attributes:
        run: the study's, with the background that was trained on.
        trial: whose configuration it is.
        title: ``best`` or ``trial N``.
        candidates: that it was chosen among, the chosen one first.
        fits: one per seed, at least one of them `usable`.
        validated: each fit's accuracy on the fresh validation trials; None where these are of what
            it trained on.
        seconds: that training and validation took, the candidates' too.
        digest: of all that the fit depends on.
        ensemble: whether the nets that did not collapse, if these are several, are kept and tested
            as one, too.
        fresh: the trials behind ``validated``, for the ensemble.
    """

    run: StudyRun
    trial: FrozenTrial
    title: str
    candidates: list[Candidate]
    fits: Sequence[TrainedNet]
    validated: Sequence[float | None]
    seconds: float
    inputs: StudyData
    digest: str
    ensemble: bool = False
    fresh: OneShotTrials | None = None

    def test_and_write(self, folder: Path, progress: FitProgress) -> Metrics:
        """Test the fits, once, and write the folder; ``metrics.json`` comes last.

        Raises:
            DataError: the data cannot be had any more.
            OSError: the folder cannot be written.
        """
        config, device = self.run.config, self.run.device
        full, missing = load_benchmark(self.run)
        if missing:
            progress.say(f"warning: no MNIST figure: {missing}")
        small = full.at(config.data.image_size, device)
        nets = [fit.net(device) for fit in self.fits]
        members = [i for i, fit in enumerate(self.fits) if self.ensemble and not fit.collapsed]
        together = len(members) > 1
        tell = progress.testing(len(nets) + together + len(full.tasks))
        answers, verified = net_answers(nets, small, self.inputs.validation, tell)
        joined: tuple[Ensemble, EnsembleFit] | None = None
        if together:
            net = Ensemble([nets[i] for i in members], [verified[i].calibration for i in members])
            answers, of_net = with_ensemble(answers, net, small, self.inputs.validation, tell)
            seeds = [self.fits[i].seed for i in members]
            joined = net, self._ensemble_fit(net, seeds, of_net, progress)
        elif self.ensemble:
            progress.say("warning: no ensemble: fewer than two seeds did not collapse")
        answers = with_baselines(answers, full, tell)
        # The first where there is nothing to choose by.
        usable = [i for i, fit in enumerate(self.fits) if fit.usable]
        best = max(usable, key=lambda i: self.validated[i] or 0.0)
        calibration = verified[best].calibration
        gallery, ink = make_gallery(nets[best], calibration, small, full)
        metrics = Metrics(
            study=config.name,
            trial=self.trial.number,
            title=self.title,
            parameters=self.trial.params,
            data=self.inputs.facts(),
            validation=config.data.validation,
            image_size=config.data.image_size,
            net_parameters=parameter_count(nets[best].architecture),
            device=described(device),
            minutes=self.seconds / 60,
            kept_seed=self.fits[best].seed,
            seeds=[
                _seed_fit(fit, accuracy, each)
                for fit, accuracy, each in zip(self.fits, self.validated, verified, strict=True)
            ],
            ensemble=joined[1] if joined else None,
            selection=self.candidates,
            figures=accuracies(answers),
            gallery=gallery,
            versions=versions(),
        )
        folder.mkdir(parents=True, exist_ok=True)
        # Without its metrics a folder counts as unfinished, whatever else of an older fit it has.
        remove(folder / METRICS)
        remove_ensemble(folder)
        remove(folder / ENSEMBLE_ONNX)
        provenance = {
            "study": metrics.study,
            "trial": metrics.trial,
            "seed": metrics.kept_seed,
            "epoch": self.fits[best].best_epoch,
            "data": metrics.data,
            "versions": metrics.versions,
            "fit": self.digest,
        }
        saved = SavedNet(net=nets[best], calibration=calibration, provenance=provenance)
        save_net(folder, saved)
        if joined:
            self._save_ensemble(*joined, provenance, folder)
        ink.save(folder)
        save_answers(answers, folder)
        names = exports(metrics)
        if joined and ENSEMBLE_ONNX not in names:
            progress.say(f"warning: {ENSEMBLE_ONNX} is not written: it would be larger than 2 GiB")
        export(folder, metrics, 1 / self.inputs.validation.trials.way, names)
        save_metrics(metrics, folder)
        return metrics

    def _ensemble_fit(
        self, net: Ensemble, seeds: list[int], verified: Verification, progress: FitProgress
    ) -> EnsembleFit:
        fit = EnsembleFit(
            seeds=seeds,
            validation_accuracy=one_shot_accuracy(net, self.fresh) if self.fresh else None,
            calibration=verified.calibration,
            false_accept=verified.false_accept,
            false_reject=verified.false_reject,
        )
        if self.fresh is not None:
            scored = f"{fit.validation_accuracy:.1%} of {len(self.fresh):,} validation trials"
            progress.say(f"{fit.title}: {scored}")
        return fit

    def _save_ensemble(
        self,
        net: Ensemble,
        fit: EnsembleFit,
        provenance: dict[str, Any],
        folder: Path,
    ) -> None:
        common = {key: value for key, value in provenance.items() if key not in ("seed", "epoch")}
        saved = SavedEnsemble(
            net=net, seeds=fit.seeds, calibration=fit.calibration, provenance=common
        )
        save_ensemble(folder, saved)


def export(folder: Path, metrics: Metrics, chance: float, names: Iterable[str]) -> None:
    """Write those files of `exports` from the nets in ``folder`` and its metrics.

    ``chance`` is the accuracy of guessing on the validation trials, for the picture.

    Raises:
        ModelError: a net is missing or damaged.
        OSError: the folder cannot be written.
    """
    for name in names:
        if name == CURVE:
            title = f"Study {metrics.study}, trial {metrics.trial}"
            draw_curve(metrics.seeds, folder / name, title, chance)
        else:
            saved = load_net(folder) if name == ONNX else load_ensemble(folder)
            export_onnx(saved.net, folder / name, saved.calibration or IDENTITY)


def print_figures(console: Console, metrics: Metrics) -> None:
    """Print, in percent, accuracies of the net, the baselines and comparable published ones."""
    title = f"Study {metrics.study}, trial {metrics.trial}, on the test alphabets"
    table = Table(title=f"{title}; {metrics.collapses}" if metrics.collapses else title)
    for heading in ("test", "system", "%", "95 % interval", "trials", "seeds"):
        table.add_column(heading, justify="left" if heading in ("test", "system") else "right")
    if is_uncommitted(metrics.versions.get("revision", "")):
        table.caption = "From uncommitted code: nobody can repeat it."
    shown = [one for one in metrics.figures if one.system == NET and one.alphabet is None]
    for figure in shown:
        others = [
            (baseline.title, metrics.find(figure.protocol, name, figure.way))
            for name, baseline in BASELINES.items()
        ]
        if metrics.ensemble is not None:
            joined = metrics.find(figure.protocol, ENSEMBLE, figure.way)
            others.insert(0, (metrics.ensemble.title, joined))
        found = [(NET, figure), *((name, one) for name, one in others if one is not None)]
        for i, (name, one) in enumerate(found):
            table.add_row(
                "" if i else _test(figure),
                name,
                f"{100 * one.mean:.1f}",
                f"[{100 * one.low:.1f}, {100 * one.high:.1f}]",
                f"{one.trials:,}",
                str(len(one.values)) if one is figure else "",
            )
        known = (
            published.BY_PROTOCOL.get(figure.protocol, ())
            if published.comparable(metrics.data)
            else ()
        )
        for name, accuracy in known:
            table.add_row("", name, f"{accuracy:g}", style="dim")
        if figure.left_out:
            table.add_row("", f"without {', '.join(figure.left_out)}")
        table.add_section()
    console.print(table)
    over = "; ".join(
        f"{scope}: {', '.join(_test(one) for one in shown if one.scope == scope)}"
        for scope in dict.fromkeys(one.scope for one in shown)
    )
    console.print(f"95 % intervals over {over}.")
    kept = next(seed for seed in metrics.seeds if seed.seed == metrics.kept_seed)
    if kept.false_accept is not None and kept.false_reject is not None:
        console.print(
            f"Similarity from 0.5 on means the same character: on validation pairs "
            f"{kept.false_accept:.1%} false accepts, {kept.false_reject:.1%} false rejects (seed "
            f"{kept.seed}, the one kept){_rates(metrics.ensemble)}. The most similar of many "
            "classes is accepted more often than one pair is."
        )


def print_next(console: Console, run: StudyRun, folder: Path) -> None:
    """Print what to do with the fit in ``folder``."""
    predict = shlex.join(["--model", str(folder.absolute())])
    console.print("Next:")
    console.print(f"  {study_command('report', run.location)}")
    console.print(f"  {command('predict')} {predict} --support FOLDER --query IMAGE")


def _rates(ensemble: EnsembleFit | None) -> str:
    if ensemble is None:
        return ""
    return f"; {ensemble.false_accept:.1%} and {ensemble.false_reject:.1%} by the {ensemble.title}"


def _test(figure: Accuracy) -> str:
    """Return what was tested, in a word or two."""
    title = figure.title.removesuffix(", within alphabets")
    return title.partition(", no ")[0].partition(", same")[0]


def _seed_fit(fit: TrainedNet, accuracy: float | None, verified: Verification) -> SeedFit:
    return SeedFit(
        seed=fit.seed,
        epochs=len(fit.history),
        best_epoch=fit.best_epoch,
        validation_accuracy=accuracy,
        calibration=verified.calibration,
        false_accept=verified.false_accept,
        false_reject=verified.false_reject,
        pairs_seen=fit.history[-1].pairs_seen,
        seconds=fit.seconds,
        history=[result.as_json() for result in fit.history],
        collapsed=fit.collapsed,
        retry_of=fit.retry_of,
    )
