"""What decides a trial: the net's shape, how it is trained, and each layer's rates.

The defaults are the paper's own values (Koch et al. 2015, sections 3 and 4).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, GroupedMetadata, Interval, Le

MAX_DEPTH = 6
"""The most convolutions that a study may ask for."""

Count = Annotated[int, Interval(ge=1, le=10**9)]
Positive = Annotated[float, Interval(gt=0, le=1e12)]


@dataclass(frozen=True)
class Bounds(GroupedMetadata):
    """Beside a field's type: the numbers that a study may give it, both ends included.

    A whole number without bounds is 1 or more, any other number 0 or more.
    """

    low: float
    high: float

    def __iter__(self) -> Iterator[Ge | Le]:
        """Yield them as pydantic reads them."""
        yield Ge(self.low)
        yield Le(self.high)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of the twin net, all that building one needs.

    Attributes:
        image_size: pixels along each side of the input.
        filters: filters of conv1, conv2, ...
        kernel_sizes: kernel sides of conv1, conv2, ..., in pixels.
        stride: pixels from one place of conv1's kernel to the next, 1 as in the paper. At 2 an
            image of twice the side costs little more, since all after conv1 stays as small.
        poolings: how many of the first convolutions are followed by a 2 x 2 max-pooling.
        units: length of the embedding, the output of the fully connected layer.
        padding: ``valid`` as in the paper, or ``same``.
        normalisation: ``none`` as in the paper, or ``batch`` after every convolution and
            its pooling.
        embedding: what follows the fully connected layer, ``sigmoid`` as in the paper.
        dropout: probability of dropping each input of the fully connected layer.
        head: how two embeddings give a score, ``weighted_l1`` as in the paper.
        centred: whether each image is first shifted so that its ink lies in the middle.
        turns: degrees by which an image is also turned, both ways, outside training: its embedding
            is then the mean of the three; 0 for that of the image alone.
        initialisation: ``paper`` (section 3.2) or ``kaiming``.
    """

    image_size: Annotated[int, Bounds(8, 256)] = 105
    filters: tuple[Annotated[int, Bounds(1, 1024)], ...] = (64, 128, 128, 256)
    kernel_sizes: tuple[Annotated[int, Bounds(1, 31)], ...] = (10, 7, 4, 4)
    stride: Annotated[int, Bounds(1, 8)] = 1
    poolings: Annotated[int, Bounds(0, MAX_DEPTH)] = 3
    units: Annotated[int, Bounds(1, 16384)] = 4096
    padding: Literal["valid", "same"] = "valid"
    normalisation: Literal["none", "batch"] = "none"
    embedding: Literal["sigmoid", "identity"] = "sigmoid"
    dropout: Annotated[float, Bounds(0, 0.95)] = 0.0
    head: Literal["weighted_l1", "weighted_l2", "cosine"] = "weighted_l1"
    centred: bool = False
    turns: Annotated[float, Bounds(0, 45)] = 0.0
    initialisation: Literal["paper", "kaiming"] = "paper"

    def __post_init__(self) -> None:
        if len(self.filters) != len(self.kernel_sizes) or not self.filters:
            raise ValueError(
                f"{len(self.filters)} filter counts and {len(self.kernel_sizes)} kernel sizes: "
                "give one of each for every convolution"
            )
        if self.stride < 1:
            raise ValueError(f"a stride of {self.stride}: conv1 must go on by at least a pixel")
        self.map_sizes()

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the layers that have rates of their own, in order."""
        return (*(f"conv{i + 1}" for i in range(len(self.filters))), "fc", "output")

    def map_sizes(self) -> tuple[tuple[int, int], ...]:
        """Return each convolution's output side ``(before, after)`` its pooling, in pixels.

        Raises:
            ValueError: an image of ``image_size`` leaves nothing after some layer.
        """
        sizes = []
        side = self.image_size
        for i, kernel in enumerate(self.kernel_sizes):
            places = side if self.padding == "same" else side - kernel + 1
            stride = self.stride if i == 0 else 1
            before = (places + stride - 1) // stride
            side = before // 2 if i < self.poolings else before
            if side < 1:
                raise ValueError(
                    f"conv{i + 1} with kernel {kernel} leaves no pixels of a "
                    f"{self.image_size} px image; use smaller kernels or fewer poolings"
                )
            sizes.append((before, side))
        return tuple(sizes)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a net is trained, but for the rates of its layers.

    Attributes:
        batch: ``pairs`` drawn independently as in the paper, or ``episodes`` in which two drawings
            of each of ``way`` characters are scored all against all.
        pairs: pairs in a minibatch of ``pairs``.
        episodes: episodes in a minibatch of ``episodes``.
        way: characters in an episode.
        across: an episode's characters come from anywhere, not from one alphabet.
        loss: ``pair`` cross-entropy as in the paper, or ``episode`` cross-entropy (softmax over
            the way, both ways); the latter needs episodes.
        optimiser: the paper's layer-wise ``sgd``, or ``adamw`` (its layer rates are the same:
            learning rate, momentum as beta1, l2 as decoupled decay).
        rate_factor: times every layer's learning rate. The layers' own rates then say how they
            differ, and this one number how fast all of them learn.
        schedule: of every layer's learning rate: ``exponential`` (times 0.99 each epoch, as in
            the paper), ``cosine`` (to zero at the end of the budget) or ``constant``.
        averaging: width of the average of weights that is validated and kept, as a share of the
            training so far (`model.training.averaging`); 0 for the weights as they are.
        distortion: strength of the paper's affine distortions, 1 as printed, 0 for none.
        warp: strength of a distortion that the two drawings of a pair, or all of an episode,
            share, so that it makes new characters; 0 for none.
        zoom: strength of a random change of size, each drawing's own: 1 for 0.5 to 1.2 of its size,
            for images whose characters are not brought to one size; 0 for none.
        elastic: strength of smooth random deformation, in pixels of a 105-pixel drawing.
        splice: probability that the characters of an episode are spliced into new ones, a part of
            one and the rest of another; it needs episodes.
        rotations: turn whole alphabets by 90, 180 and 270 degrees into new alphabets.
        precision: of the convolutions and the fully connected layer in training: ``fp32``,
            ``bf16``, or ``auto``: bf16 where the processor or GPU computes in it natively. Scores,
            losses and weights are always fp32, and so is all of a trained net outside training.
    """

    batch: Literal["pairs", "episodes"] = "pairs"
    pairs: int = 128
    episodes: int = 4
    way: Annotated[int, Bounds(2, 1000)] = 20
    across: bool = False
    loss: Literal["pair", "episode"] = "pair"
    optimiser: Literal["sgd", "adamw"] = "sgd"
    rate_factor: Annotated[float, Bounds(1e-6, 1e3)] = 1.0
    schedule: Literal["exponential", "cosine", "constant"] = "exponential"
    averaging: Annotated[float, Bounds(0, 0.25)] = 0.0
    distortion: Annotated[float, Bounds(0, 5)] = 1.0
    warp: Annotated[float, Bounds(0, 5)] = 0.0
    zoom: Annotated[float, Bounds(0, 1.5)] = 0.0
    elastic: Annotated[float, Bounds(0, 20)] = 0.0
    splice: Annotated[float, Bounds(0, 1)] = 0.0
    rotations: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"

    def __post_init__(self) -> None:
        if self.loss == "episode" and self.batch != "episodes":
            raise ValueError("the episode loss needs batches of episodes")
        if self.splice and self.batch != "episodes":
            raise ValueError("splice needs batches of episodes")

    @property
    def pairs_per_batch(self) -> int:
        """Drawings in a minibatch, halved: what a minibatch takes from the budget of pairs."""
        return self.pairs if self.batch == "pairs" else self.episodes * self.way


_LATER = (("architecture", "turns", 0.0), ("recipe", "zoom", 0.0), ("recipe", "averaging", 0.0))


@dataclass(frozen=True, kw_only=True)
class LayerRates:
    """One layer's rates (section 3.2): ``eta_j``, ``mu_j`` and ``lambda_j``."""

    learning_rate: Annotated[float, Bounds(1e-8, 10)]
    # At 1 the velocity never decays, and every run diverges.
    momentum: Annotated[float, Bounds(0, 0.99)]
    l2: Annotated[float, Bounds(0, 10)]


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """All that a trial samples or a study fixes: one value of this is one configuration."""

    architecture: Architecture = field(default_factory=Architecture)
    recipe: Recipe = field(default_factory=Recipe)
    rates: Mapping[str, LayerRates]

    def __post_init__(self) -> None:
        if set(self.rates) != set(self.architecture.layers):
            raise ValueError(
                f"rates for {sorted(self.rates)}, but the layers are "
                f"{list(self.architecture.layers)}"
            )

    @property
    def is_papers(self) -> bool:
        """Whether net and recipe are the paper's own, at any rates, of which the paper gives none.

        The precision of its arithmetic, which changes with the processor, does not count.
        """
        recipe = replace(self.recipe, precision=Recipe().precision)
        return self.architecture == Architecture() and recipe == Recipe()

    def identity(self) -> dict[str, Any]:
        """Return all values as plain ones: a fit is kept, and found again, under them.

        A field of later date is left out where it is at its default, so that the fits kept before
        are found as well.
        """
        values = asdict(self)
        for section, name, default in _LATER:
            if values[section][name] == default:
                del values[section][name]
        return values

    def written(self) -> str:
        """Return `repr` as it was before there were the fields that `identity` leaves out."""
        text = repr(self)
        for _, name, default in _LATER:
            text = text.replace(f", {name}={default!r}", "")
        return text


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long and how often: the same for every trial of a study.

    Attributes:
        epochs: at most this many (paper: 200).
        pairs_per_epoch: pairs between two validations.
        patience: stop after this many epochs without a better one-shot accuracy (paper: 20).
        momentum_epochs: epochs over which momentum rises from 0.5 to its layer's value; the paper
            states the line but not its slope.
        seconds: stop after the epoch in which this much training time is reached, if given.
        teraflops: the most arithmetic that all epochs together may take, in 10^12 floating-point
            operations of training, if given: a net that would need more gets fewer pairs an
            epoch, so that large nets and small ones are compared at equal cost.
    """

    epochs: Annotated[int, Interval(ge=1, le=100_000)] = 200
    pairs_per_epoch: Count = 150_000
    patience: Count = 20
    momentum_epochs: Count = 50
    seconds: Positive | None = None
    teraflops: Positive | None = None

    def part(self, fraction: float) -> "Budget":
        """Return a fraction of it, of fewer epochs with all that is counted in them."""
        epochs = max(1, round(self.epochs * fraction))
        # Of a single epoch there is none left to take away.
        pairs = max(1, round(self.pairs_per_epoch * min(1.0, self.epochs * fraction / epochs)))
        return replace(
            self,
            epochs=epochs,
            pairs_per_epoch=pairs,
            momentum_epochs=max(1, round(self.momentum_epochs * fraction)),
            seconds=self.seconds and self.seconds * fraction,
            teraflops=self.teraflops and self.teraflops * fraction,
        )
