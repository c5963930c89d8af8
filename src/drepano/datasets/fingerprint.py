"""What a data set holds, in a few numbers that show when it changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from drepano.field import Field
from drepano.taxonomy import Taxonomy


@dataclass(frozen=True)
class FieldFacts:
    """What the fingerprint needs of one field.

    Parameters
    ----------
    id : str
    patient : str or None
    size : (int, int)
        Height and width in px.
    cells : int or None
        None where nothing is labelled.
    pixels : tuple of int
        Pixels of each class; empty without a class map.
    image_digest, truth_digest : str
        SHA-256 of the image and of its maps or points.
    """

    id: str
    patient: str | None
    size: tuple[int, int]
    cells: int | None
    pixels: tuple[int, ...]
    image_digest: str
    truth_digest: str


def field_facts(field: Field, taxonomy: Taxonomy) -> FieldFacts:
    """The facts of one field."""
    cells: int | None = None
    if field.instances is not None:
        cells = int(np.count_nonzero(np.unique(field.instances)))
    elif field.points is not None:
        cells = len(field.points)
    pixels: tuple[int, ...] = ()
    if field.classes is not None:
        pixels = tuple(np.bincount(field.classes.ravel(), minlength=len(taxonomy)).tolist())
    truth = hashlib.sha256()
    for array in (field.classes, field.instances, field.points):
        truth.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    height, width = field.image.shape[:2]
    image = hashlib.sha256(repr(field.image.shape).encode() + field.image.tobytes())
    return FieldFacts(
        field.id, field.patient, (height, width), cells, pixels, image.hexdigest(), truth.hexdigest()
    )


def fingerprint(facts: Iterable[FieldFacts], taxonomy: Taxonomy) -> dict[str, Any]:
    """Fields, patients, sizes, cells, pixel share of every class, and one digest over all of it.

    Parameters
    ----------
    facts : iterable of FieldFacts
    taxonomy : Taxonomy

    Returns
    -------
    dict
        JSON-ready; ``pixel_share`` is over all labelled pixels and None where there are none.
    """
    facts = list(facts)
    pixels = np.sum([fact.pixels for fact in facts if fact.pixels], axis=0, dtype=float)
    share = None
    if np.ndim(pixels) and pixels.sum() > 0:
        share = {
            name: float(value) for name, value in zip(taxonomy.classes, pixels / pixels.sum(), strict=True)
        }
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(f"{fact.id}\n{fact.patient}\n{fact.image_digest}\n{fact.truth_digest}\n".encode())
    labelled = [fact.cells for fact in facts if fact.cells is not None]
    return {
        "fields": len(facts),
        "patients": sorted({fact.patient for fact in facts if fact.patient is not None}),
        "smallest": _size(min(facts, key=_area)) if facts else None,
        "largest": _size(max(facts, key=_area)) if facts else None,
        "labelled_fields": len(labelled),
        "cells": sum(labelled),
        "pixel_share": share,
        "sha256": digest.hexdigest(),
    }


def _area(fact: FieldFacts) -> int:
    return fact.size[0] * fact.size[1]


def _size(fact: FieldFacts) -> str:
    return f"{fact.size[1]} x {fact.size[0]}"
