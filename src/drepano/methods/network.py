"""Networks as methods: trained by `drepano.training.fit`, all with the same budget."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drepano.datasets import FieldDataset
from drepano.segmenter import Segmenter, load_model
from drepano.taxonomy import Taxonomy
from drepano.training import can_resume, fit, make_config
from drepano.training.trainer import Progress


@dataclass(frozen=True)
class Budget:
    """What every network of a comparison may spend; the rest is the preset "default".

    Parameters
    ----------
    steps, batch_size, crop_size : int
        Optimiser steps; crops a step; side of the square crops in px.
    validate_every : int
        Steps between looks at the inner validation fields, which choose nothing.
    """

    steps: int = 2000
    batch_size: int = 4
    crop_size: int = 256
    validate_every: int = 100


@dataclass(frozen=True)
class NetworkMethod:
    """A network of `drepano.models.create`.

    Parameters
    ----------
    network : str
    budget : Budget
    options : dict
        Of the network.
    settings : dict
        Of the training, where they are not those of the preset "default".
    """

    network: str
    budget: Budget
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def fit(
        self, training: FieldDataset, taxonomy: Taxonomy, folder: Path, seed: int, progress: Progress
    ) -> Segmenter:
        config = make_config(
            network=self.network,
            network_options=self.options,
            cell_diameter=training.cell_diameter,
            seed=seed,
            **asdict(self.budget),
            **self.settings,
        )
        weights = fit(
            [training],
            config,
            folder,
            name=self.network,
            binary=taxonomy.classes != training.taxonomy.classes,
            resume=can_resume(folder),
            progress=progress,
        )
        return load_model(weights)
