"""The optimisation of one network, as Lightning runs it."""

from __future__ import annotations

from typing import Any

import lightning
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drepano.errors import DrepanoError
from drepano.ops import SATURATED, DeformableConv2d
from drepano.taxonomy import Taxonomy
from drepano.training.config import TrainingConfig
from drepano.training.samples import BETWEEN_CELLS

_SHORTEST_SCHEDULE = 6
"""PyTorch's OneCycleLR divides by zero with 5 steps, of which a fifth is one."""


class SegmentationModule(lightning.LightningModule):
    """Loss, optimiser, schedule and what is logged for a segmentation network.

    Parameters
    ----------
    network : torch.nn.Module
    config : TrainingConfig
    taxonomy : Taxonomy
        Names the classes in the log.
    class_weights : Tensor, optional
        Shape (classes,), float32; for the loss "weighted-ce" only.

    Raises
    ------
    ValueError
        If that loss has no weights, or another one has.
    """

    def __init__(
        self,
        network: nn.Module,
        config: TrainingConfig,
        taxonomy: Taxonomy,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (config.loss == "weighted-ce") != (class_weights is not None):
            raise ValueError(
                f"class_weights are for the loss weighted-ce, which has to have them; {config.loss=}"
            )
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._config = config
        self._taxonomy = taxonomy
        self.register_buffer("_overlap", torch.zeros(2, len(taxonomy)), persistent=False)
        self._overlap: Tensor
        self.register_buffer("_class_weights", class_weights, persistent=False)
        self._class_weights: Tensor | None

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        images, marked = batch
        loss = self.loss(self.network(_channels_last(images)), marked)
        if not torch.isfinite(loss):
            raise DrepanoError(
                f"the loss is {float(loss)} at step {self.global_step}; lower the learning rate "
                "(drepano train: --learning-rate)"
            )
        self.log("train_loss", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        self._overlap.zero_()
        self._saturation: dict[str, list[Tensor]] = {}
        self._hooks = [
            module.register_forward_hook(self._make_hook(name))
            for name, module in self.network.named_modules()
            if isinstance(module, DeformableConv2d)
        ]

    def _make_hook(self, name: str) -> Any:
        def note(layer: DeformableConv2d, inputs: tuple[Tensor, ...], _output: Tensor) -> None:
            share = (layer.bounded_offset(*inputs).abs() > SATURATED).float().mean()
            self._saturation.setdefault(name, []).append(share)

        return note

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> None:
        images, marked = batch
        logits = self.network(_channels_last(images))
        self.log("validation_loss", self.loss(logits, marked))
        classes, _ = _unmark(marked)
        predicted = F.one_hot(logits.argmax(1), len(self._taxonomy))
        true = F.one_hot(classes, len(self._taxonomy))
        self._overlap[0] += (2 * predicted * true).sum((0, 1, 2))
        self._overlap[1] += (predicted + true).sum((0, 1, 2))

    def on_validation_epoch_end(self) -> None:
        """Log the Dice of every class over all validation pixels, and how many offsets are saturated."""
        for index, name in enumerate(self._taxonomy.classes):
            if self._overlap[1, index] > 0:
                self.log(f"validation_dice/{name}", self._overlap[0, index] / self._overlap[1, index])
        for layer, shares in self._saturation.items():
            self.log(f"offset_saturation/{layer}", torch.stack(shares).mean())
        for hook in self._hooks:
            hook.remove()

    def configure_optimizers(self) -> Any:
        offsets = [p for name, p in self.network.named_parameters() if ".offset." in name]
        others = [p for name, p in self.network.named_parameters() if ".offset." not in name]
        rate = self._config.learning_rate
        rates = [rate, rate * self._config.offset_learning_rate] if offsets else [rate]
        groups = [
            {"params": params, "lr": group_rate}
            for params, group_rate in zip([others, offsets], rates, strict=False)
        ]
        optimiser = torch.optim.Adam(groups)
        if self._config.schedule == "constant":
            return {"optimizer": optimiser}
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=rates, total_steps=max(self._config.steps, _SHORTEST_SCHEDULE), pct_start=0.2
        )
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def loss(self, logits: Tensor, marked: Tensor) -> Tensor:
        """Of logits (N, K, H, W) and marked classes (N, H, W), which also say where two cells meet."""
        classes, between = _unmark(marked)
        weights = 1 + (self._config.touching_weight - 1) * between
        entropy = F.cross_entropy(logits, classes, weight=self._class_weights, reduction="none")
        loss = (weights * entropy).mean()
        if self._config.loss == "ce+dice":
            loss = loss + _dice_loss()(logits, classes[:, None])
        return loss


def _unmark(marked: Tensor) -> tuple[Tensor, Tensor]:
    """Classes, and where two cells meet (float32); both (N, H, W)."""
    between = marked == BETWEEN_CELLS
    return marked.masked_fill(between, 0), between.float()


def _channels_last(images: Tensor) -> Tensor:
    """The layout in which plain convolutions are fastest."""
    return images.contiguous(memory_format=torch.channels_last)


def _dice_loss() -> Any:
    from monai.losses import DiceLoss

    return DiceLoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
