"""What an experiment consists of: fields, splits, budget, and one job for each method, split and seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from drepano.changes import first_change
from drepano.datasets import FieldDataset, describe_unnumbered_cells
from drepano.errors import DrepanoError
from drepano.experiments.splits import Split, Splits
from drepano.experiments.working_copy import CELL_DIAMETER
from drepano.io import ensure_writable_folder, write_text
from drepano.methods import METHODS, Budget, is_random
from drepano.taxonomy import Taxonomy

FIELDS, JOBS, PLAN, RESULT = "fields", "jobs", "plan.json", "result.json"
EXPERIMENT_LOCK = ".lock"
"""Held while an experiment's plan and copy of the fields are written, and its pages."""
_SEED = "seed-"


@dataclass(frozen=True)
class Job:
    """One method, trained on one split with one seed; depends on no other job."""

    method: str
    split: str
    seed: int

    def folder(self, experiment: Path) -> Path:
        """Where its training and its result are."""
        return experiment / JOBS / self.method / self.split / f"{_SEED}{self.seed}"

    @property
    def training_seed(self) -> int:
        """Differs between splits: else all folds of a seed would share the same first weights and crops."""
        return int(np.random.SeedSequence([self.seed, crc32(self.split.encode())]).generate_state(1)[0])

    def is_done(self, experiment: Path) -> bool:
        return (self.folder(experiment) / RESULT).is_file()


@dataclass(frozen=True)
class Plan:
    """Everything that all jobs of an experiment have in common; ``plan.json`` in its folder.

    Parameters
    ----------
    kind : {"compare", "learning-curve"}
    data : dict
        Name, origin, licence, fingerprint and typical diameter of a cell, px, of the data set.
    taxonomy : str
    classes : tuple of str
    group : str
        "field" or "patient": what a split keeps together.
    patients : dict
        Patient of every field id, None where not known.
    budget : Budget
    splits : tuple of Split
    notes : tuple of str
        What is special about the splits, and about the true cells.
    crops : str, optional
        Data set of single crops that are classified too, and how many it has.
    """

    kind: str
    data: dict[str, Any]
    taxonomy: str
    classes: tuple[str, ...]
    group: str
    patients: dict[str, str | None]
    budget: Budget
    splits: tuple[Split, ...]
    notes: tuple[str, ...]
    crops: str | None = None

    @property
    def class_taxonomy(self) -> Taxonomy:
        return Taxonomy(self.taxonomy, self.classes)

    def split(self, name: str) -> Split:
        return next(split for split in self.splits if split.name == name)

    def jobs(self, methods: Sequence[str], seeds: Sequence[int], one_seed: Sequence[str]) -> list[Job]:
        """Split by split and seed by seed, so that what is done first can be compared first.

        Methods in `one_seed`, and those that no seed changes, get the first of the seeds only.
        """
        return [
            Job(method, split.name, seed)
            for seed in seeds
            for split in self.splits
            for method in methods
            if seed == seeds[0] or (method not in one_seed and is_random(method))
        ]


def make_plan(
    kind: str,
    dataset: FieldDataset,
    taxonomy: Taxonomy,
    fingerprint: dict[str, Any],
    budget: Budget,
    splits: Splits,
    crops: str | None = None,
) -> Plan:
    """The plan of an experiment on a data set; see `drepano.experiments.begin.begin_experiment`."""
    return Plan(
        kind=kind,
        data={
            "name": dataset.name,
            "origin": dataset.origin,
            "licence": dataset.licence,
            "cell_diameter": dataset.cell_diameter,
            "fingerprint": fingerprint,
        },
        taxonomy=taxonomy.name,
        classes=taxonomy.classes,
        group=splits.group,
        patients={source.id: source.patient for source in dataset.sources},
        budget=budget,
        splits=splits.splits,
        notes=(*splits.notes, *_joined_cells(dataset), *_padded_fields(dataset, fingerprint, budget)),
        crops=crops,
    )


def _joined_cells(dataset: FieldDataset) -> list[str]:
    notes = describe_unnumbered_cells(dataset)
    return [f"{note}, so that a map which joins such cells makes no error I there." for note in notes]


def _padded_fields(dataset: FieldDataset, fingerprint: dict[str, Any], budget: Budget) -> list[str]:
    scale = CELL_DIAMETER / dataset.cell_diameter
    side = scale * min(int(side) for side in fingerprint["smallest"].split(" x "))
    if budget.crop_size <= side:
        return []
    return [
        f"Networks learn from crops of {budget.crop_size} px, larger than the smallest field, of "
        f"{side:.0f} px at cells of {CELL_DIAMETER:g} px; what is missing is padded with background."
    ]


def finished_jobs(experiment: Path) -> list[Job]:
    """Those that have a result, of methods that are known."""
    return [
        Job(name, path.parts[-3], int(path.parts[-2].removeprefix(_SEED)))
        for name in METHODS
        for path in sorted((experiment / JOBS / name).glob(f"*/{_SEED}*/{RESULT}"))
        if path.parts[-2].removeprefix(_SEED).isdecimal() and path.is_file()
    ]


def prepare_folder(experiment: Path) -> None:
    """Make the folder of an experiment, or see that the one there holds an experiment or nothing.

    Raises
    ------
    DrepanoError
        If it holds something else, which results could be written over, or cannot be written.
    """
    if experiment.is_dir() and not (experiment / PLAN).is_file():
        others = sorted(path.name for path in experiment.iterdir() if not path.name.startswith("."))
        if others and not (experiment / PLAN).is_file():  # written meanwhile by another run
            raise DrepanoError(
                f"{experiment}: holds other files ({others[0]}) and no experiment; name a new folder"
            )
    ensure_writable_folder(experiment)


def keep_plan(experiment: Path, plan: Plan) -> None:
    """Write ``plan.json``, or see that the one there is the same: methods and seeds can be added later.

    Notes may differ: they follow from the rest, in words that may change.

    Raises
    ------
    DrepanoError
        If the folder holds another experiment, or other files.
    """
    prepare_folder(experiment)
    path = experiment / PLAN
    if not path.is_file():
        write_plan(experiment, plan)
        return
    change = first_change(_without_notes(read_plan(experiment)), _without_notes(plan))
    if change is not None:
        if change.startswith("splits"):
            change = "other splits: see --folds, --group, --sizes, --test"
        raise DrepanoError(
            f"{experiment}: was begun with other settings or data ({change}); repeat those of its {PLAN}, or "
            "name another folder"
        )


def write_plan(experiment: Path, plan: Plan) -> None:
    """Write ``plan.json``, over one that is there."""
    write_text(experiment / PLAN, json.dumps(asdict(plan), indent=1))


def _without_notes(plan: Plan) -> dict[str, Any]:
    return asdict(replace(plan, notes=()))


def read_plan(experiment: Path) -> Plan:
    """The plan of an experiment's folder.

    Raises
    ------
    DrepanoError
        If there is none, or it cannot be read.
    """
    path = experiment / PLAN
    try:
        stored = json.loads(path.read_text())
        splits = tuple(
            Split(split["name"], tuple(split["training"]), tuple(split["test"]))
            for split in stored.pop("splits")
        )
        classes, notes = tuple(stored.pop("classes")), tuple(stored.pop("notes"))
        budget = Budget(**stored.pop("budget"))
        return Plan(**stored, splits=splits, classes=classes, notes=notes, budget=budget)
    except OSError as error:
        raise DrepanoError(
            f"{path}: cannot be read ({error.strerror}); give an experiment's folder"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DrepanoError(f"{path}: is damaged ({error}); begin the experiment in another folder") from error
