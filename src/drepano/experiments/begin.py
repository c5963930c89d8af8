"""Begin an experiment: look at all fields, split them, keep the plan and a scaled copy of the fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drepano.datasets import (
    FieldDataset,
    describe_margins,
    describe_truth,
    field_facts,
    fingerprint,
    look_at_truth,
)
from drepano.experiments.plan import (
    EXPERIMENT_LOCK,
    FIELDS,
    PLAN,
    Plan,
    keep_plan,
    make_plan,
    prepare_folder,
    read_plan,
)
from drepano.experiments.splits import FieldInfo, Splits, describe_cells_on_both_sides
from drepano.experiments.working_copy import write_working_copy
from drepano.io import hold
from drepano.margins import notable_margins
from drepano.methods import Budget
from drepano.overlaps import find_overlaps, overlap_picture
from drepano.progress import Progress
from drepano.taxonomy import Taxonomy


def begin_experiment(
    folder: Path,
    kind: str,
    dataset: FieldDataset,
    taxonomy: Taxonomy,
    budget: Budget,
    split: Callable[[Sequence[FieldInfo], Sequence[str]], Splits],
    singles: FieldDataset | None = None,
    progress: Progress = lambda *_: None,
) -> Plan:
    """Everything that jobs need, in a folder; one that holds the same experiment already is left as it is.

    Parameters
    ----------
    folder : Path
    kind : {"compare", "learning-curve"}
    dataset : FieldDataset
        Labelled fields.
    taxonomy : Taxonomy
        What methods are to tell apart: the data set's, or cells as one class.
    budget : Budget
    split : callable
        From fields and names of classes to the splits.
    singles : FieldDataset, optional
        Single crops, which are to be classified too.
    progress : callable

    Returns
    -------
    Plan

    Raises
    ------
    DrepanoError
        If fields cannot be read or split, or the folder holds another experiment or other files.
    """
    prepare_folder(folder)
    is_new = not (folder / PLAN).is_file()
    survey = _survey(dataset, taxonomy, is_new, progress)
    splits = split(survey.infos, taxonomy.classes)
    on_both_sides = describe_cells_on_both_sides(survey.overlaps, splits.splits)
    splits = replace(splits, notes=(*splits.notes, *on_both_sides, *survey.notes))
    crops = None if singles is None else f"{singles.name}, {len(singles)} crops"
    plan = make_plan(kind, dataset, taxonomy, survey.fingerprint, budget, splits, crops)
    with hold(folder / EXPERIMENT_LOCK):
        keep_plan(folder, plan)
        write_working_copy(dataset, folder / FIELDS, progress)
    return read_plan(folder)


@dataclass(frozen=True)
class _Survey:
    """What one look at every field tells: for splits, of the data set, which pairs of fields show the same
    place and which share of the smaller one, and notes."""

    infos: list[FieldInfo]
    fingerprint: dict[str, Any]
    overlaps: dict[tuple[str, str], float]
    notes: list[str]


def _survey(dataset: FieldDataset, taxonomy: Taxonomy, with_overlaps: bool, progress: Progress) -> _Survey:
    infos, facts, margins, truths = [], [], [], []
    pictures: dict[str, NDArray[np.float32]] = {}
    for number, (source, field) in enumerate(zip(dataset.sources, dataset, strict=True), start=1):
        counts = np.bincount(field.class_map(taxonomy).ravel(), minlength=len(taxonomy))
        infos.append(FieldInfo(field.id, field.patient, tuple(counts.tolist())))
        facts.append(field_facts(field, dataset.taxonomy))
        truths.append(look_at_truth(source, field, dataset.cell_diameter))
        if with_overlaps and not truths[-1].without_cells:
            pictures[field.id] = overlap_picture(field.image, dataset.cell_diameter)
        margins.append(None if field.margins is not None else notable_margins(field.image))
        progress("reading fields", number, len(dataset))
    ids = list(pictures)
    overlaps = find_overlaps(list(pictures.values()), partial(progress, "comparing fields"))
    notes = [
        *describe_margins(dataset, [found for found in margins if found is not None]),
        *describe_truth(dataset, truths),
    ]
    return _Survey(
        infos,
        fingerprint(facts, dataset.taxonomy),
        {(ids[pair.first], ids[pair.second]): pair.share for pair in overlaps},
        [f"{note}." for note in notes],
    )
