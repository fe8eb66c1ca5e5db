"""Where the time of a step on one GPU goes, stage by stage."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from model.net.siamese import centred
from model.training.cuda_graph import set_up
from model.training.loss import episode_loss
from model.training.trainer import Trainer
from tests.benchmarks.gpu.parts import nets, trainer, variants
from tests.benchmarks.harness import Context, Row, ratios
from tests.benchmarks.steps import often


def stages(context: Context) -> Iterator[Row]:
    """Measure each stage of a step by itself, forward and backward, as a share of the whole step.

    Each is recorded and replayed by itself, so that they need not come to 100 %.
    """
    for name, hyperparameters in nets(context).items():
        for way, fused in variants(context).items():
            made = trainer(context, hyperparameters, fused)
            works = dict(_stages(made))
            generators = (made.sampler.generator, made.generator)
            made.step()  # the optimiser's state
            set_ups: dict[str, Callable[[], object]] = {
                stage: often(context, set_up(work, context.device, generators))
                for stage, work in works.items()
            }
            set_ups["whole step"] = often(context, made.step)
            taken = context.interleaved(set_ups)
            whole = taken["whole step"]
            note = f"{sum(whole) / len(whole) / context.steps * 1e6:,.0f} us a step"
            for stage, seconds in taken.items():
                share = [100 * each for each in ratios(seconds, whole)]
                most = 5 if stage == "pipeline" and name == "compact" else None
                what = f"{name}, {way}: {stage}"
                yield Row("stages", what, share, "%", most, most is not None, note)


def _stages(made: Trainer) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Yield the stages of a step with what runs them on inputs that lie ready."""
    net, device = made.net, made.device
    yield "pipeline", lambda: made.minibatch()[0]
    images, same = made.minibatch()
    rows, way = images.shape[0], images.shape[1] // 2

    def stage(
        compute: Callable[[Tensor], Tensor], maps: Tensor, grad: bool = True
    ) -> tuple[Callable[[], Tensor], Tensor]:
        """Return what runs ``compute`` both ways, and what it gives."""
        maps = maps.detach().requires_grad_(grad)

        def forward() -> Tensor:
            with torch.autocast(device.type, torch.bfloat16, enabled=net.bf16):
                return compute(maps)

        out = forward().detach()
        gradient = torch.randn_like(out)

        def work() -> Tensor:
            net.zero_grad()
            maps.grad = None
            forward().backward(gradient)
            return gradient

        return work, out

    flat = images.flatten(0, 1)
    with torch.no_grad():
        if net.architecture.centred:
            flat = centred(flat)
    if net.architecture.padding == "same":
        kernel = net.architecture.kernel_sizes[0]
        flat = F.pad(flat, [(kernel - 1) // 2, kernel // 2] * 2)
    maps = flat.contiguous(memory_format=torch.channels_last)
    for i, convolution in enumerate(net.convolutions):
        if 0 < i < net.architecture.poolings:
            yield f"conv{i + 1}, the convolution alone", stage(convolution, maps)[0]
        work, out = stage(partial(net.layer, i), maps, grad=i > 0)
        yield f"conv{i + 1} with bias, pooling, ReLU", work
        maps = out
    work, embeddings = stage(net.fc, maps.flatten(1))
    yield "fc", work

    def compared(embeddings: Tensor) -> Tensor:
        with torch.autocast(device.type, enabled=False):
            embeddings = embeddings.float()
            if net.architecture.embedding == "sigmoid":
                embeddings = embeddings.sigmoid()
            first, second = embeddings.unflatten(0, (-1, 2)).unbind(1)
            if same is not None:
                return F.binary_cross_entropy_with_logits(net.score(first, second), same)
            first, second = first.unflatten(0, (-1, way)), second.unflatten(0, (-1, way))
            scores = net.score(first[:, :, None], second[:, None])
            return episode_loss(scores, made.hyperparameters.recipe.loss).sum() / rows

    yield "score and loss", stage(compared, embeddings)[0]
    # Kept, since what is recorded writes to them.
    gradients = [torch.zeros_like(parameter) for parameter in net.parameters()]

    def update() -> Tensor:
        for parameter, gradient in zip(net.parameters(), gradients, strict=True):
            parameter.grad = gradient
        made.optimiser.step()
        return images

    yield "optimiser", update
