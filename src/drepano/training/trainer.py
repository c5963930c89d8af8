"""Lightning's part of a run: steps, validation, logs, checkpoints."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from drepano.errors import DrepanoError, first_line
from drepano.progress import Progress
from drepano.taxonomy import Taxonomy
from drepano.training.class_weights import class_weights
from drepano.training.config import TrainingConfig
from drepano.training.samples import PreparedField, TrainingCrops

STAGE = "training"
"""What the optimiser's steps are called there."""

CHECKPOINT = Path("checkpoints") / "last.ckpt"
_VALIDATION_CROPS = 32
"""Drawn from the inner validation fields once, and looked at every time."""
_SEED_STEP = 2**32
"""Between the seeds of epochs: there are no more seeds of a training."""


def import_lightning() -> Any:
    """The module lightning, which loads torchvision where it is installed.

    Raises
    ------
    DrepanoError
        If the torchvision that is installed does not fit PyTorch.
    """
    try:
        import lightning
    except (ImportError, RuntimeError) as error:
        raise DrepanoError(
            f"lightning cannot be imported ({first_line(error)}); a torchvision that does not fit "
            "this torch is the usual reason: pip uninstall torchvision, or install the one that fits"
        ) from error
    return lightning


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without its remarks on settings that are meant as they are."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def begin_epoch(
    groups: Sequence[Sequence[PreparedField]], config: TrainingConfig, number: int
) -> TrainingCrops:
    """The crops of all steps up to the next look at the inner validation fields.

    What networks draw (dropout) begins anew: alike after an interruption and without one.
    """
    torch.manual_seed(config.seed + _SEED_STEP * number)
    count = steps_of_epoch(config) * config.batch_size
    return TrainingCrops(groups, config.crop_size, count, config.seed, number * count, config.augment)


def steps_of_epoch(config: TrainingConfig) -> int:
    """Between two looks at the inner validation fields."""
    return min(config.validate_every, config.steps)


def watched_crops(groups: Sequence[Sequence[PreparedField]], config: TrainingConfig) -> TrainingCrops:
    """Of the inner validation fields, the same at every look."""
    return TrainingCrops(groups, config.crop_size, _VALIDATION_CROPS, config.seed, augment=False)


@_quiet_lightning()
def run_trainer(
    network: nn.Module,
    config: TrainingConfig,
    taxonomy: Taxonomy,
    groups: Sequence[Sequence[PreparedField]],
    validation_groups: Sequence[Sequence[PreparedField]],
    run: Path,
    checkpoint: Path | None,
    accelerator: str,
    progress: Progress,
) -> None:
    """Optimise `network` in place, with a checkpoint in the run folder after every validation.

    Parameters
    ----------
    network : torch.nn.Module
    config : TrainingConfig
    taxonomy : Taxonomy
    groups, validation_groups : sequences of sequences of PreparedField
        One group a data set.
    run : Path
    checkpoint : Path or None
        To go on from.
    accelerator : str
        Lightning's name of the device.
    progress : callable

    Raises
    ------
    KeyboardInterrupt
        At Ctrl+C.
    """
    lightning = import_lightning()
    from lightning.pytorch.callbacks import Callback, ModelCheckpoint
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    from drepano.training.module import SegmentationModule

    class Data(lightning.LightningDataModule):  # type: ignore[name-defined, misc]
        def train_dataloader(self) -> DataLoader:
            assert self.trainer is not None
            return DataLoader(begin_epoch(groups, config, self.trainer.current_epoch), config.batch_size)

        def val_dataloader(self) -> DataLoader | list:
            if not validation_groups:
                return []
            return DataLoader(watched_crops(validation_groups, config), config.batch_size)

    class Report(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            loss = trainer.callback_metrics.get("train_loss", float("nan"))
            progress(STAGE, trainer.global_step, config.steps, float(loss))

    table = CSVLogger(run, name="logs")
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_steps=config.steps,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        logger=[table, TensorBoardLogger(run, name="logs", version=table.version)],
        callbacks=[
            ModelCheckpoint(
                run / CHECKPOINT.parent, filename=CHECKPOINT.stem, enable_version_counter=False, save_top_k=1
            ),
            Report(),
        ],
        enable_progress_bar=False,
        enable_model_summary=False,
        # On a GPU cross-entropy and the sampling of deformable convolutions refuse to be deterministic.
        deterministic=accelerator == "cpu",
    )
    module = SegmentationModule(network, config, taxonomy, class_weights(config, groups, len(taxonomy)))
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=Data(), ckpt_path=checkpoint, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        # Lightning ends the process at Ctrl+C and switches further ones off.
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from None
