"""Read a whole data set and say everything that is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drepano.datasets.dataset import FieldDataset, FieldSource
from drepano.datasets.fingerprint import FieldFacts, field_facts, fingerprint
from drepano.datasets.truth import TruthFacts, describe_specks, look_at_truth
from drepano.errors import DrepanoError, some_of
from drepano.margins import notable_margins
from drepano.overlaps import Overlap, find_overlaps, overlap_picture
from drepano.progress import Progress
from drepano.taxonomy import Taxonomy

_TOLERANCE = 1.5
"""How many times smaller or larger than stated the cells may be."""

_MARGINS_DIFFER, _MARGINS_DIFFER_PX = 0.1, 20
"""From those of most fields, as a share of these and in px, before they are told."""


@dataclass(frozen=True)
class CheckResult:
    """What `check_dataset` found.

    Parameters
    ----------
    problems : tuple of str
        A line each: which file, what is wrong, what to do.
    left_out : tuple of str
        What the reader leaves out on purpose.
    notes : tuple of str
        What may be meant so: fields of one patient that show the same place.
    patients : tuple of str
        A line for every patient, where these are known: fields, cells, and classes that no field has.
    fingerprint : dict
        Over the fields that could be read.
    """

    problems: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    patients: tuple[str, ...]
    fingerprint: dict[str, Any]


def check_dataset(dataset: FieldDataset, progress: Progress = lambda *_: None) -> CheckResult:
    """Read every field once and collect all problems.

    Unreadable files, sizes that differ and unknown label values come from the readers; fields without a
    single cell or without background, instance maps that contradict the class map, specks, images that stand
    twice or show the same place in part, blank margins and a wrong cell diameter are found here.

    Parameters
    ----------
    dataset : FieldDataset
        Opened with ``strict=False``.
    progress : callable
        Told of fields, then of pairs of fields.
    """
    problems = list(dataset.problems)
    left_out = list(dataset.left_out)
    facts: list[FieldFacts] = []
    cut: dict[FieldSource, tuple[int, int]] = {}
    uncut: list[tuple[int, int]] = []
    truths: list[TruthFacts] = []
    images: dict[str, list[FieldSource]] = defaultdict(list)
    pictures: dict[FieldSource, NDArray[np.float32]] = {}
    for number, source in enumerate(dataset.sources, start=1):
        try:
            field = dataset.load(source)
            fact = field_facts(field, dataset.taxonomy)
        except DrepanoError as error:
            problems.append(str(error))
        else:
            truth = look_at_truth(source, field, dataset.cell_diameter)
            problems += truth.contradictions
            truths.append(truth)
            if field.margins is not None:
                cut[source] = field.margins
            elif source.category is None and (found := notable_margins(field.image)) is not None:
                uncut.append(found)
            facts.append(fact)
            images[fact.image_digest].append(source)
            if source.category is None and fact.cells != 0 and len(images[fact.image_digest]) == 1:
                pictures[source] = overlap_picture(field.image, dataset.cell_diameter)
            if fact.cells == 0 and source.category is not None:
                left_out.append(f"{source.image}: no outline was found, so no field is composed of it")
            elif fact.cells == 0:
                where = source.labels or source.instances or source.image
                problems.append(f"{where}: no cell in it; label its cells or remove the field")
        progress("reading fields", number, len(dataset))
    for copies in images.values():
        problems += _describe_copies(copies)
    overlaps = find_overlaps(list(pictures.values()), partial(progress, "comparing fields"))
    of_one_patient, others = _describe_overlaps(list(pictures), overlaps)
    problems += others
    left_out += [*_describe_usual_cut(dataset, list(cut.values())), *_describe_cuts(cut)]
    problems += [*describe_margins(dataset, uncut), *describe_specks(dataset, truths)]
    if not dataset.sources and not dataset.problems:
        problems.append(f"data set {dataset.name}: has no fields; put images into its image folder")
    result = fingerprint(facts, dataset.taxonomy)
    measured = result["cell_diameter"]
    if measured is not None and not 1 / _TOLERANCE < measured / dataset.cell_diameter < _TOLERANCE:
        problems.append(
            f"data set {dataset.name}: its cells are about {measured:.0f} px across but cell_diameter is "
            f"{dataset.cell_diameter:g}; correct it, since networks are trained at one scale"
        )
    if facts and not result["labelled_fields"]:
        left_out.append(f"data set {dataset.name}: no field has labels, so nothing can be trained on it")
    patients = [_describe_patient(name, facts, dataset.taxonomy) for name in result["patients"]]
    return CheckResult(tuple(problems), tuple(left_out), tuple(of_one_patient), tuple(patients), result)


def _describe_patient(patient: str, facts: Sequence[FieldFacts], taxonomy: Taxonomy) -> str:
    own = [fact for fact in facts if fact.patient == patient]
    cells = [fact.cells for fact in own if fact.cells is not None]
    told = f"{patient}: fields {len(own)}, " + (f"cells {sum(cells)}" if cells else "no labels")
    of_fields = [fact.pixels for fact in own if fact.pixels]
    pixels = np.sum(of_fields, axis=0) if of_fields else np.ones(len(taxonomy))
    absent = [name for name, count in zip(taxonomy.cell_classes, pixels[1:], strict=True) if count == 0]
    return told + "".join(f", no {name}" for name in absent)


def describe_margins(dataset: FieldDataset, uncut: Sequence[tuple[int, int]]) -> list[str]:
    """What to do about blank margins.

    Parameters
    ----------
    dataset : FieldDataset
    uncut : sequence of (int, int)
        Their widths on the left and right, px, of every field that has some.

    Returns
    -------
    list of str
        One line, or none.
    """
    if not uncut:
        return []
    left, right = _median(uncut)
    return [
        f"data set {dataset.name}: {len(uncut)} of {len(dataset)} fields have blank margins, {left} px on "
        f'the left and {right} px on the right in the median; cut them off, or have preparation = "paper" '
        "do it"
    ]


def _describe_usual_cut(dataset: FieldDataset, cuts: list[tuple[int, int]]) -> list[str]:
    if not any(map(sum, cuts)):
        return []
    sides = [
        f"{round(median(side))} px on the {name} ({min(side)} to {max(side)})"
        for name, side in zip(("left", "right"), zip(*cuts, strict=True), strict=True)
    ]
    return [f"data set {dataset.name}: blank margins, {' and '.join(sides)}"]


def _describe_cuts(cut: dict[FieldSource, tuple[int, int]]) -> list[str]:
    """Fields of which more or less was cut off than of most, which stretches their cells unlike others'."""
    if not cut:
        return []
    usual = _median(list(cut.values()))
    return [
        f"{source.image}: blank margins of {left} and {right} px, where {usual[0]} and {usual[1]} px are "
        "usual; see whether that is right"
        for source, (left, right) in cut.items()
        if abs(left + right - sum(usual)) > max(_MARGINS_DIFFER_PX, _MARGINS_DIFFER * sum(usual))
    ]


def _median(margins: Sequence[tuple[int, int]]) -> tuple[int, int]:
    left, right = (round(median(side)) for side in zip(*margins, strict=True))
    return left, right


def _describe_copies(copies: Sequence[FieldSource]) -> list[str]:
    first, *others = copies
    lines = []
    for other in others:
        if first.patient != other.patient:
            whose = f", of patient {other.patient} and of patient {first.patient}; find out whose it is and"
        else:
            whose = ";"
        lines.append(f"{other.image}: is the same image as {first.image.name}{whose} remove one")
    return lines


def _describe_overlaps(
    sources: Sequence[FieldSource], overlaps: Sequence[Overlap]
) -> tuple[list[str], list[str]]:
    """A line for every field that shows in part what others before it show: where all are of one patient, and
    the others."""
    earlier: dict[int, list[Overlap]] = defaultdict(list)
    for overlap in overlaps:
        earlier[overlap.second].append(overlap)
    of_one_patient, others = [], []
    for second, found in earlier.items():
        found = sorted(found, key=lambda overlap: -overlap.share)
        names = [f"{sources[overlap.first].image.name} {overlap.share:.0%}" for overlap in found]
        line = (
            f"{sources[second].image}: shows in part the place of other fields ({some_of(names)} of the "
            "smaller one), so that these cells count more than once"
        )
        patients = {sources[overlap.first].patient for overlap in found} | {sources[second].patient}
        if len(patients) > 1:
            others.append(f"{line}; find out which patient's they are and remove the other field")
        elif None in patients:
            others.append(f"{line}; remove one, or cut off what both show")
        else:
            of_one_patient.append(
                f"{line}; that does no harm where whole patients are held out (--group patient)"
            )
    return of_one_patient, others
