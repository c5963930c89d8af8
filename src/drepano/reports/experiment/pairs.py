"""Methods in pairs as Markdown tables: the first against all others in sight, all other pairs folded away."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

from drepano.experiments.compared import CROPS, OF_CLASS, RECALL
from drepano.experiments.results import AUC, FOUND, TOGETHER
from drepano.experiments.statistics import BETTER, NO_INTERVAL, WORSE
from drepano.methods import METHODS
from drepano.reports.markdown import markdown_table
from drepano.reports.wording import plural

_FIGURES = {
    "dice": ("Dice", 4),
    TOGETHER: ("errors I + II + III a field", 2),
    CROPS: ("share of crops right", 4),
    RECALL: ("mean recall of crops", 4),
    "hausdorff": ("Hausdorff, px", 2),
    "hausdorff95": ("HD95, px", 2),
    "surface_dice": ("surface Dice at 2 px", 4),
    "jaccard": ("Jaccard", 4),
    AUC: ("AUC of a field", 4),
    "joined": ("errors I a field", 2),
    "artefacts": ("errors II a field", 2),
    "incomplete": ("errors III, incomplete, a field", 2),
    "misclassified": ("errors III, two classes, a field", 2),
    "missed": ("cells missed a field", 2),
}
"""Heading and decimal places of what methods are compared in."""
_OF_COUNTED_CELLS = {
    f"{FOUND}{TOGETHER}": ("counted cells: errors I + II + III a field", 2),
    f"{FOUND}joined": ("counted cells: errors I a field", 2),
    f"{FOUND}artefacts": ("counted cells: errors II a field", 2),
    "f1": ("counted cells: F1 of a field", 4),
    "panoptic_quality": ("counted cells: panoptic quality of a field", 4),
}
"""The same of what is compared in the cells that are made of a map's pieces."""
_OF_CROPS = (CROPS, RECALL)

_INTERVALS = (
    "An interval reaches as far as the farthest of a bootstrap over {units} and seeds and of Student's over "
    "{units}, over folds and over seeds, where there are several. With two {units} or folds hardly any "
    "difference can be told from chance. Where both methods have one seed an interval is too narrow; where "
    "one of them has, how far its seeds would lie apart is taken from the other's."
)


def pairs_of_methods(differences: Sequence[dict[str, Any]], classes: int) -> str:
    """A table for every method with those that follow it in the comparison; empty without any pair.

    Parameters
    ----------
    differences : sequence of dict
        From `drepano.experiments.differences.method_differences`.
    classes : int
        Background included.
    """
    if not differences:
        return ""
    first, *others = dict.fromkeys(difference["first"] for difference in differences)
    parts = [
        *_heading(differences),
        "The figure of the method in the heading less that of the method of the row, and its 95 % interval. "
        "Better and worse are said of the former, where the difference is more than chance."
        + (f" {_of_classes(differences)} are averages over the classes." if classes > 2 else ""),
        *_against_others(first, differences),
        _conditions(differences),
    ]
    if others:
        parts += ["<details><summary>All other pairs</summary>"]
        parts += [part for name in others for part in _against_others(name, differences)]
        parts += ["</details>"]
    return "\n\n".join(parts)


def pairs_of_sizes(differences: Sequence[dict[str, Any]]) -> str:
    """A row for every pair of a learning curve, of which either is a method and a number of fields.

    Parameters
    ----------
    differences : sequence of dict
        From `drepano.experiments.differences.curve_differences`.
    """
    if not differences:
        return ""
    rows = [[_title(one["first"]), _title(one["second"]), _cell(one)] for one in differences]
    return "\n\n".join(
        [
            *_heading(differences),
            "The Dice of the first less that of the second, and its 95 % interval. Better and worse are "
            "said of the first, where the difference is more than chance.",
            markdown_table(["first", "second", "difference in Dice"], rows),
            _conditions(differences),
        ]
    )


def _of_classes(differences: Sequence[dict[str, Any]]) -> str:
    """The figures that have a value a class; results of earlier versions have no areas."""
    has_areas = any(one["figure"] == AUC for one in differences)
    return f"Dice, Jaccard, surface Dice{', distances and AUC' if has_areas else ' and distances'}"


def _heading(differences: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """The section's, and how many of so many comparisons chance alone would tell apart."""
    with_interval = sum(one["verdict"] != NO_INTERVAL for one in differences)
    if with_interval:
        which = "each" if with_interval == len(differences) else f"{with_interval} of them"
        caution = (
            f"{len(differences)} comparisons, {which} with an interval of its own: of comparisons without "
            "any difference one in twenty would be called more than chance, more of those between methods "
            "with one seed each."
        )
    else:
        caution = (
            f"{len(differences)} comparisons, none with an interval, so none can be called more than chance."
        )
    return "## In pairs, on the same fields", caution


def _against_others(name: str, differences: Sequence[dict[str, Any]]) -> list[str]:
    """Heading and tables of the pairs of which a method is the first: a row a method, a column a figure.

    Counted cells and the Dice of single classes have tables of their own.
    """
    of_first = [one for one in differences if one["first"] == name]
    compared = dict.fromkeys(one["figure"] for one in of_first)
    of_classes = [figure for figure in compared if figure.startswith(OF_CLASS)]
    seconds = dict.fromkeys(one["second"] for one in of_first)
    seeds = {two: max(one["seeds"] for one in of_first if one["second"] == two) for two in seconds}
    cells = {
        (two := one["second"], one["figure"]): _cell(one) + _fewer_seeds(one["seeds"], seeds[two])
        for one in of_first
    }
    parts = [f"### {_title(name)} against"]
    for group in (_FIGURES, _OF_COUNTED_CELLS, of_classes):
        figures = [figure for figure in group if figure in compared]
        if figures:
            head = ["", *(heading_and_digits(figure)[0] for figure in figures)]
            rows = [[_title(two), *(cells.get((two, figure), "") for figure in figures)] for two in seconds]
            parts.append(markdown_table(head, rows))
    return parts


def heading_and_digits(figure: str) -> tuple[str, int]:
    """How a figure that methods are compared in is called, and its decimal places."""
    if figure.startswith(OF_CLASS):
        return figure.replace(OF_CLASS, "Dice of "), 4
    return (_FIGURES | _OF_COUNTED_CELLS)[figure]


def _title(name: str) -> str:
    """Of a method, or of a point of a learning curve: "dunet with 10 fields"."""
    method, *size = name.split(" ", maxsplit=1)
    return " ".join([METHODS[method], *size])


def _cell(difference: dict[str, Any]) -> str:
    """Such as "**better**: +0.0149<br>+0.0126 to +0.0171", in two lines since such tables are wide."""
    digits, verdict = heading_and_digits(difference["figure"])[1], difference["verdict"]
    said = f"**{verdict}**" if verdict in (BETTER, WORSE) else verdict
    size = f"{said}: {difference['mean']:+.{digits}f}"
    if isnan(difference["low"]):
        return size
    if difference["low"] == difference["high"] == 0:
        return "the same in all"
    return f"{size}<br>{difference['low']:+.{digits}f} to {difference['high']:+.{digits}f}"


def _fewer_seeds(known: Sequence[int], all_seeds: Sequence[int]) -> str:
    """Of how many a figure is that results of earlier versions lack, if not of all that the pair has."""
    return "" if known == all_seeds else f"<br>(seeds: {known[0]} and {known[1]})"


def _conditions(differences: Sequence[dict[str, Any]]) -> str:
    """How many fields and crops the pairs have in common, and what is left out of them."""
    units = next((one["unit"] for one in differences if one["figure"] not in _OF_CROPS), "fields")
    sentences = [
        f"The two of a pair have in common {_in_common(differences)}.",
        _INTERVALS.format(units=units),
    ]
    figures = dict.fromkeys(one["figure"] for one in differences if one["left_out"])
    if figures:
        counts = {
            figure: [one["left_out"] for one in differences if one["figure"] == figure] for figure in figures
        }
        left_out = (
            f"{heading_and_digits(figure)[0]}: {_range(of_figure, 'value')} a pair"
            for figure, of_figure in counts.items()
        )
        sentences.append(
            f"Left out are values in a field, of {_of_classes(differences)} those of a class, that are not "
            f"defined for a training of either of the two ({'; '.join(left_out)})."
        )
    return " ".join(sentences)


def _in_common(differences: Sequence[dict[str, Any]]) -> str:
    """Such as "72 to 90 fields of 4 patients and 915 crops of 4 patients"."""
    kinds = {
        "field": [one for one in differences if one["figure"] not in _OF_CROPS],
        "crop": [one for one in differences if one["figure"] in _OF_CROPS],
    }
    parts = []
    for noun, of_kind in kinds.items():
        if of_kind:
            part = _range([one["fields"] for one in of_kind], noun)
            by_patient = of_kind[0]["unit"] == "patients"
            parts.append(
                f"{part} of {_range([one['units'] for one in of_kind], 'patient')}" if by_patient else part
            )
    return " and ".join(parts)


def _range(numbers: Sequence[int], noun: str) -> str:
    """Such as "2 to 27 fields", or "1 field" where all are one."""
    low, high = min(numbers), max(numbers)
    return plural(low, noun) if low == high else f"{low} to {plural(high, noun)}"
