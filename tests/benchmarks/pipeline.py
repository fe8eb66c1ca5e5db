"""The pipeline, and the evaluation, against how they are usually written."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from data.batches.one_shot import OneShotTrials
from data.batches.pairs import PairSampler
from data.drawings import Drawings
from hpo.study.config import load
from model.evaluation.scores import all_scores, one_shot_scores, verification_scores
from model.net.siamese import SiameseNet
from model.training.trainer import Trainer
from tests.benchmarks.harness import Context, Row, ratios
from tests.benchmarks.inputs import compact, toy, trainer_of, trials_of
from tests.benchmarks.steps import often
from tests.benchmarks.steps import pipeline as our_pipeline


class FilesDataset(Dataset[tuple[Tensor, Tensor, float]]):
    """Pairs as they are usually made: files opened, distorted and turned to tensors one by one."""

    def __init__(self, folder: Path, drawings: Drawings, size: int, length: int):
        self.folder, self.length = folder, length
        pairs = PairSampler(drawings, 0).draw(length)
        self.pairs = list(zip(pairs.a.tolist(), pairs.b.tolist(), pairs.same.tolist()))
        for location in {p for a, b, _ in self.pairs for p in (a, b)}:
            ink = 255 - drawings.ink[location]
            Image.fromarray(ink.cpu().numpy()).convert("1").save(folder / f"{location}.png")
        affine = transforms.RandomAffine(
            10, translate=(2 / 105, 2 / 105), scale=(0.8, 1.2), shear=(-17, 17, -17, 17), fill=255
        )
        reduce = [transforms.Resize((size, size))] if size != drawings.size else []
        self.transform = transforms.Compose([affine, *reduce, transforms.ToTensor()])

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, location: int) -> tuple[Tensor, Tensor, float]:
        a, b, same = self.pairs[location]
        return self._image(a), self._image(b), same

    def _image(self, location: int) -> Tensor:
        return 1 - self.transform(Image.open(self.folder / f"{location}.png").convert("L"))


def pipeline(context: Context) -> Iterator[Row]:
    """Measure pairs per second of both, nothing trained in between."""
    length = {"toy": 16, "quick": 1024}.get(context.size, 4096)
    batch = min(128, length)
    for name, hyperparameters in context.configurations.items():
        drawings = context.drawings(hyperparameters)
        source = context.drawings_at_full_size()
        trainer = trainer_of(hyperparameters, drawings, batch, context.device)
        with tempfile.TemporaryDirectory() as folder:
            dataset = FilesDataset(Path(folder), source, drawings.size, length)
            loader = DataLoader(
                dataset,
                batch_size=batch,
                num_workers=0 if context.size == "toy" else 2,
                persistent_workers=context.size != "toy",
            )

            def conventional(loader: DataLoader[tuple[Tensor, Tensor, float]] = loader) -> None:
                for a, b, _ in loader:
                    a.to(context.device), b.to(context.device)

            def ours(trainer: Trainer = trainer) -> None:
                for _ in range(length // batch):
                    our_pipeline(trainer)

            taken = context.interleaved({"conventional": conventional, "ours": ours})
            # Its workers are processes: end them before the folder goes.
            loader._iterator = None
        note = f"{drawings.size} px"
        for which, values in taken.items():
            speed = [length / each for each in values]
            yield Row("pipeline", f"{name}: {which}", speed, "pairs/s", note=note)
        times = ratios(taken["conventional"], taken["ours"])
        yield Row("pipeline", f"{name}: ours over conventional", times, "x", 50, note=note)


@torch.inference_mode()
def _pair_by_pair(net: SiameseNet, trials: OneShotTrials) -> Tensor:
    """Score every query against every support through the whole net, trial by trial."""
    net.eval()
    rows = [
        net(trials.drawings.images(query.expand(trials.way)), trials.drawings.images(support))
        for query, support in zip(trials.query, trials.support)
    ]
    return torch.stack(rows)


def evaluation(context: Context) -> Iterator[Row]:
    """Measure trials asked as the official runs are, 20 a run, in both ways."""
    for name, hyperparameters in context.configurations.items():
        if name == "paper" and context.device.type == "cpu" and context.size == "quick":
            continue
        drawings = context.drawings(hyperparameters)
        # The ratio is that of a run, so that one will do where the net is slow.
        number = 400 if context.device.type == "cuda" else 20
        trials = trials_of(drawings, number)
        net = SiameseNet(hyperparameters.architecture).to(context.device)
        taken = context.interleaved(
            {
                "each pair": lambda n=net, t=trials: _pair_by_pair(n, t),
                "ours": lambda n=net, t=trials: one_shot_scores(n, t),
            }
        )
        times = ratios(taken["each pair"], taken["ours"])
        note = f"{len(trials)} trials, 20-way"
        yield Row("evaluation", f"{name}: each pair over ours", times, "x", 15, note=note)
        runs = 400 / len(trials)
        whole = [runs * each for each in taken["ours"]]
        yield Row("evaluation", f"{name}: 400 answers of 20 runs", whole, "s", note=note)


def hourly(context: Context) -> Iterator[Row]:
    """Measure what an hour is worth: compact trials, from whole steps and one validation."""
    if context.size == "toy":
        hyperparameters, epochs, pairs_per_epoch, answers = toy(), 2, 64, 20
    else:
        config = load("compact")
        hyperparameters, answers = compact(), config.validation.trials
        epochs, pairs_per_epoch = config.budget.epochs, config.budget.pairs_per_epoch
    drawings = context.drawings(hyperparameters)
    pairs = hyperparameters.recipe.pairs
    trials = trials_of(drawings, answers)
    verification = PairSampler(drawings, 0).draw(64 if context.size == "toy" else 2000)

    def validate(trainer: Trainer, together: bool) -> None:
        if together:
            all_scores(trainer.net, trials, verification)
        else:
            one_shot_scores(trainer.net, trials)
            verification_scores(trainer.net, drawings, verification)
        trainer.net.train()

    variants: dict[str, Callable[[], object]] = {}
    # Each with what claimed to help so far: what they compute in, how often a drawing is embedded.
    for name, precision, together in (
        ("fp32, drawings embedded twice", "fp32", False),
        ("bf16 where native, twice", "auto", False),
        ("bf16 where native, once", "auto", True),
    ):
        recipe = replace(hyperparameters.recipe, precision=precision)
        changed = replace(hyperparameters, recipe=recipe)
        trainer = trainer_of(changed, drawings, pairs, context.device)
        variants[f"{name}: step"] = often(context, trainer.step)
        variants[f"{name}: validation"] = lambda t=trainer, o=together: validate(t, o)
    taken = context.interleaved(variants)
    size = hyperparameters.architecture.image_size
    note = f"trial 0, {size} px, extrapolated from steps and validations"
    for name in dict.fromkeys(key.rpartition(":")[0] for key in variants):
        trial = [
            epochs * (pairs_per_epoch // pairs * step / context.steps + check)
            for step, check in zip(
                taken[f"{name}: step"], taken[f"{name}: validation"], strict=True
            )
        ]
        yield Row(
            "hourly", f"compact: {name}", [3600 / each for each in trial], "an hour", note=note
        )
