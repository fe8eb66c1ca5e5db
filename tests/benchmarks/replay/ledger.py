"""What a search has trained, what it has paid for it, and the best that it has seen."""

from collections.abc import Iterator, Mapping

from hpo.study.space.catalogue import Value
from tests.benchmarks.replay.surrogate import Surrogate


class SpentError(BaseException):
    """The arithmetic is spent; no searcher takes it for a failure of a trial."""


class Ledger:
    """Trains configurations, one after the other, until ``teraflops`` of arithmetic are spent.

    Attributes:
        spent: TFLOP so far.
        points: whenever a better accuracy was seen, ``(TFLOP spent, that accuracy, the accuracy of
            its configuration at the end of a whole training)``.
    """

    def __init__(self, surrogate: Surrogate, teraflops: float):
        self.surrogate, self.teraflops = surrogate, teraflops
        self.config, self.space = surrogate.table.config, surrogate.space
        self.whole = surrogate.table.epochs
        self.spent = 0.0
        self.points: list[tuple[float, float, float]] = []
        self._trained: dict[frozenset[tuple[str, Value]], int] = {}

    def epochs(self, params: Mapping[str, Value], after: int = 0) -> Iterator[tuple[int, float]]:
        """Train after epoch ``after``; yield each epoch and the best accuracy up to it.

        Raises:
            SpentError: there is not enough left for the next epoch.
        """
        curve, cost = self.surrogate(params)
        for epoch in range(after + 1, self.whole + 1):
            if self.spent + cost > self.teraflops:
                raise SpentError
            self.spent += cost
            accuracy = float(curve[epoch - 1])
            if not self.points or accuracy > self.points[-1][1]:
                self.points.append((self.spent, accuracy, float(curve[-1])))
            yield epoch, accuracy

    def train(self, params: Mapping[str, Value], until: int, *, resumes: bool) -> float:
        """Train to epoch ``until`` and return the best accuracy up to it.

        ``resumes``: from the last epoch that this configuration was trained to before.
        """
        key = frozenset(params.items())
        after = min(self._trained.get(key, 0), until) if resumes else 0
        accuracy = float(self.surrogate(params)[0][until - 1])
        for epoch, _ in self.epochs(params, after) if after < until else ():
            if epoch == until:
                break
        self._trained[key] = max(until, self._trained.get(key, 0))
        return accuracy
