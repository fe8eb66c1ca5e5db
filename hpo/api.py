"""A study as a Python object, for notebooks: what the commands do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.study.config import StudyConfig
from hpo.study.errors import ConfigError, StudyError, refuse_empty
from hpo.study.run import StudyRun
from hpo.study.storage.location import DEFAULT_OUT, StudyLocation
from hpo.terminal.named import existing_study, find_config
from model.device import device_named

if TYPE_CHECKING:
    import optuna
    from matplotlib.figure import Figure
    from optuna.trial import FrozenTrial

    from hpo.results.metrics import Metrics
    from hpo.search.hooks import OnEpoch


@dataclass(frozen=True)
class Picture:
    """A figure that a notebook shows by itself."""

    figure: "Figure"

    def save(self, path: Path | str) -> None:
        """Write it as a PNG."""
        Path(path).write_bytes(self._repr_png_())

    def _repr_png_(self) -> bytes:
        import io

        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


class Study:
    """A study, kept in its folder: the same one that the commands work on.

    Example:
        >>> study = Study("smoke", trials=3)
        >>> study.run()
        >>> study.best.params
        >>> study.fit(seeds=1, minutes=1)
        >>> study.plot()
    """

    def __init__(
        self,
        study: str,
        *,
        out: Path | str = DEFAULT_OUT,
        storage: str | None = None,
        data_root: Path | str | None = None,
        device: str = "auto",
        settings: Sequence[str] = (),
        **changes: Any,
    ):
        """Name a study; its file is read, and its database if it has begun.

        Args:
            study: the name or the ``.toml`` file of a study.
            out: the folder that holds the study's own folder.
            storage: a database's URL if it is not ``study.db`` in the study's folder.
            data_root: the folder of the data sets, None for the usual ones.
            device: what to train on; ``auto`` takes a CUDA GPU if there is one.
            settings: what differs from the file, each as to ``--set``: ``budget.epochs=3``.
            changes: what else differs: ``trials``, ``dataset``, ``drawer_names``,
                ``sampler``, ``pruner``, ``seed``.

        Raises:
            ConfigError: there is no such study, its file is wrong, or a change does not fit.
            DeviceError: there is no such device here.
        """
        known = ("trials", "dataset", "drawer_names", "sampler", "pruner", "seed")
        if unknown := sorted(changes.keys() - set(known)):
            raise ConfigError(f"{unknown[0]} cannot be changed; give {', '.join(known)}")
        refuse_empty(out=out, data_root=data_root)
        location = existing_study(study, Path(out), storage)
        config = find_config(study, location, settings).changed(**changes)
        self._run = StudyRun(
            config=config,
            location=location,
            data_root=None if data_root is None else Path(data_root),
            device=device_named(device),
        )
        self._dataset = changes.get("dataset")

    @property
    def config(self) -> StudyConfig:
        """What the study is."""
        return self._run.config

    @property
    def location(self) -> StudyLocation:
        """Where the study is kept."""
        return self._run.location

    @property
    def data_root(self) -> Path | None:
        """The folder of the data sets, None for the usual ones."""
        return self._run.data_root

    @property
    def device(self) -> str:
        """What to train on, ``auto`` resolved."""
        return self._run.device

    @property
    def optuna(self) -> "optuna.Study":
        """The study as Optuna's own object, to read.

        Raises:
            StudyError: it has not been run yet.
        """
        from hpo.study.open import open_finished

        return open_finished(self.location)

    @property
    def best(self) -> "FrozenTrial":
        """The best complete trial; while there is none, the best that is paused at a rung.

        Raises:
            StudyError: there is neither yet.
        """
        from hpo.study.record import best_trials

        return best_trials(self.optuna)[0]

    @property
    def trials(self) -> "list[dict[str, Any]]":
        """Every trial as a dictionary: a row of the report's ``trials.csv``; see `table`.

        Example:
            >>> pandas.DataFrame(study.trials)

        Raises:
            StudyError: the study has not been run yet.
        """
        from hpo.results.costs import costed_trials, recorded_space, table
        from hpo.study.record import StudyRecord

        study = self.optuna
        return table(costed_trials(study), recorded_space(StudyRecord.of(study).config or {}))

    def run(
        self,
        *,
        workers: int = 1,
        source: "Study | Path | str | None" = None,
        on_epoch: "OnEpoch | None" = None,
    ) -> bool:
        """Run trials up to the study's total, showing progress; return False if interrupted.

        Args:
            workers: processes that run trials.
            source: another study, whose best configurations are tried first, or a file of starts,
                such as its report's ``best.toml``.
            on_epoch: a hook, called with each epoch of each trial as a
                `hpo.search.hooks.TrialEpoch`; an error in it is a warning.

        Raises:
            StudyError: the study cannot be opened or resumed.
            DataError: its data cannot be had.
        """
        from hpo.run import run_study

        return run_study(
            self._run,
            workers=workers,
            source=_place(source),
            given=self._dataset is not None,
            on_epoch=on_epoch,
        )

    def fit(self, **plan: Any) -> "Metrics":
        """Fit the best configuration at full length, test it, and return its metrics.

        Args:
            plan: as in `hpo.fits.final.FitPlan`: ``top``, ``retrains``, ``seeds``, ``minutes``,
                ``ensemble``, ...

        Raises:
            StudyError: the study has no trial to fit.
            DataError: its data cannot be had.
        """
        from hpo.final_fit import FitPlan, fit_study

        return fit_study(self._run, FitPlan(**plan), self._dataset)

    def report(self) -> Path:
        """Write ``report.md`` and ``report.html`` and return their folder.

        Raises:
            StudyError: the study has not been run yet.
        """
        from hpo.report import write_report

        return write_report(self.location)

    def plot(self) -> Picture:
        """Return a figure of the best accuracy so far, a dot for every trial.

        Raises:
            StudyError: no trial is complete or paused yet.
        """
        from hpo.results.costs import costed_trials
        from hpo.results.history import curve
        from hpo.results.plots.history import best_so_far

        trials = costed_trials(self.optuna)
        line = curve(trials)
        if line is None:
            raise StudyError(
                f"study {self.location.name} has no complete trial yet; run it further"
            )
        return Picture(best_so_far({self.location.name: [line]}, trials))


def _place(source: Study | Path | str | None) -> StudyLocation | Path | None:
    refuse_empty(source=source)
    if isinstance(source, Study):
        return source.location
    return None if source is None else Path(source)
