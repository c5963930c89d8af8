"""Read a whole data set and say everything that is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drepano.datasets.dataset import FieldDataset
from drepano.datasets.fingerprint import FieldFacts, field_facts, fingerprint
from drepano.errors import DrepanoError


@dataclass(frozen=True)
class CheckResult:
    """What `check_dataset` found.

    Parameters
    ----------
    problems : tuple of str
        A line each: which file, what is wrong, what to do.
    left_out : tuple of str
        What the reader leaves out on purpose.
    fingerprint : dict
        Over the fields that could be read.
    """

    problems: tuple[str, ...]
    left_out: tuple[str, ...]
    fingerprint: dict[str, Any]


def check_dataset(dataset: FieldDataset, advance: Callable[[], None] = lambda: None) -> CheckResult:
    """Read every field once and collect all problems.

    Unreadable files, sizes that differ and unknown label values come from the readers; fields without a
    single cell and images that stand twice are found here.

    Parameters
    ----------
    dataset : FieldDataset
        Opened with ``strict=False``.
    advance : callable
        Called after every field.
    """
    problems = list(dataset.problems)
    facts: list[FieldFacts] = []
    images: dict[str, list[int]] = defaultdict(list)
    for index, source in enumerate(dataset.sources):
        try:
            fact = field_facts(dataset.load(source), dataset.taxonomy)
        except DrepanoError as error:
            problems.append(str(error))
        else:
            facts.append(fact)
            images[fact.image_digest].append(index)
            if fact.cells == 0:
                where = source.labels or source.instances or source.image
                problems.append(f"{where}: no cell in it; label its cells or remove the field")
        advance()
    for copies in images.values():
        problems += _describe_copies(dataset, copies)
    if not dataset.sources and not dataset.problems:
        problems.append(f"data set {dataset.name}: has no fields; put images into its image folder")
    return CheckResult(tuple(problems), dataset.left_out, fingerprint(facts, dataset.taxonomy))


def _describe_copies(dataset: FieldDataset, copies: list[int]) -> list[str]:
    first, *others = (dataset.sources[index] for index in copies)
    lines = []
    for other in others:
        if first.patient != other.patient:
            whose = f", of patient {other.patient} and of patient {first.patient}; find out whose it is and"
        else:
            whose = ";"
        lines.append(f"{other.image}: is the same image as {first.image.name}{whose} remove one")
    return lines
