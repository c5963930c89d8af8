"""Networks as methods: trained by `drepano.training.fit`, all with the same budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drepano.datasets import FieldDataset
from drepano.progress import Progress
from drepano.segmenter import Segmenter, load_model
from drepano.taxonomy import Taxonomy
from drepano.training import TrainingConfig, can_resume, fit
from drepano.training.trainer import run_trainer


@dataclass(frozen=True)
class Budget:
    """What every network of a comparison may spend, and is asked to do.

    Parameters
    ----------
    steps, batch_size, crop_size : int
        Optimiser steps; crops a step; side of the square crops in px.
    validate_every : int
        Steps between looks at the inner validation fields, which choose nothing.
    touching_weight : float
        Weight in the loss of the background where two cells meet; 1 weighs it as all else.
    preset : {"paper", "default"}
        Of `drepano.training.make_config`: all other settings of training.
    """

    steps: int = 2000
    batch_size: int = 4
    crop_size: int = 256
    validate_every: int = 100
    touching_weight: float = 1.0
    preset: str = "default"


@dataclass(frozen=True)
class NetworkMethod:
    """A network of `drepano.models.create`.

    Parameters
    ----------
    config : TrainingConfig
        Cell diameter and seed in it are those of the fields and the job in the end.
    """

    config: TrainingConfig

    def fit(
        self,
        training: FieldDataset,
        taxonomy: Taxonomy,
        folder: Path,
        seed: int,
        progress: Progress,
        optimise: Callable[..., None] = run_trainer,
    ) -> Segmenter:
        """As of `Method`; `optimise` is that of `drepano.training.fit`."""
        config = self.config.model_copy(update={"cell_diameter": training.cell_diameter, "seed": seed})
        weights = fit(
            [training],
            config,
            folder,
            name=config.network,
            binary=taxonomy.classes != training.taxonomy.classes,
            resume=can_resume(folder),
            progress=progress,
            optimise=optimise,
        )
        return load_model(weights)
