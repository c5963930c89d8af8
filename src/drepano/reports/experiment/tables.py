"""The paper's tables I to IV as Markdown, the paper's own figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from typing import Any

from drepano.experiments.paper import BINARY_OVERLAP, CELL_ERRORS, MULTI_CLASS_OVERLAP
from drepano.experiments.results import FOUND_CELLS, OF_FOUND_CELLS, TOGETHER, third_error
from drepano.experiments.splits import fold_of
from drepano.experiments.summary import SEEDS_OF_FOUND_CELLS
from drepano.methods import METHODS
from drepano.reports.experiment.pairs import pairs_of_methods, pairs_of_sizes
from drepano.reports.markdown import markdown_table
from drepano.reports.wording import plural
from drepano.taxonomy import SCD

_OVERLAP = {
    "dice": "Dice",
    "jaccard": "Jaccard",
    "hausdorff": "Hausdorff, px",
    "hausdorff95": "HD95, px",
    "surface_dice": "surface Dice at 2 px",
}
_PAPERS_ROWS = (
    "The paper's figures are of its own fields, 62 or 63 of 512 x 512 px a fold, drawn at random, and "
    "its cell errors were counted by hand."
)
_ERRORS = {
    "joined": "I, joined",
    "artefacts": "II, artefacts",
    "incomplete": "III, incomplete",
    "misclassified": "III, two classes",
    TOGETHER: "I + II + III",
    "missed": "missed",
}


_DEFINITIONS = (
    "A piece is a connected part of the map of at least 20 px. I, joined: a piece that covers at least "
    "half of each of two or more true cells that lie within 2 px of each other. II, artefact: a piece "
    "less than a tenth of which lies on true cells. III, incomplete: a true cell of which a tenth to "
    "two thirds are found; missed: less than a tenth. A cell in several pieces is no error where they "
    "cover two thirds of it."
)
_TWO_CLASSES = (
    " III, two classes: a true cell at least a third of which is given other classes than the one that "
    "most of it has."
)


_TRUTH = (
    " The true map is charged where cells touch, of one class or of two, and it has no line of background "
    "between them. Networks are taught to draw one there, and can so make fewer errors I than it."
)


_FOUND = (
    "A piece of the map is parted at its necks into cells, and debris dropped, before cells are counted and "
    "described. I and II are of these cells in place of pieces. III are the same, being told from true cells "
    "and the map."
)
_TRUE_MAP = "the true map itself"


_OF_OUTLINES = (
    "Distances are between outlines; where a class reaches the image's border, its outline is there. "
    "Averages of two methods may be of different classes and fields, which one has and the other lacks; "
    "comparisons in pairs are of the same."
)


def comparison_markdown(summary: dict[str, Any]) -> str:
    """All tables of a comparison, from the summary of `write_comparison`.

    Mean and standard deviation (ddof = 1) over folds of the mean over seeds.
    """
    methods, classes = summary["methods"], summary["classes"]
    binary = len(classes) == 2
    parts = [
        _conditions(summary),
        *(
            [_binary_overlap(methods, classes[1])]
            if binary
            else [_of_classes(methods, classes, figure) for figure in MULTI_CLASS_OVERLAP]
        ),
        "" if binary else _averages(methods),
        _cell_errors(methods, summary.get("truth"), classes),
        _found_cell_errors(methods, summary.get("truth")),
        _detection(methods),
        _cell_confusion(methods, classes),
        _auc(methods, classes),
        _cost(methods, summary["validation"]),
        _crops(methods),
        pairs_of_methods(summary["differences"], len(classes)),
        _splits(summary["splits"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def learning_curve_markdown(summary: dict[str, Any]) -> str:
    """Dice by the number of training fields, from the summary of a learning curve."""
    sizes = sorted({int(size) for curve in summary["curves"].values() for size in curve})
    rows = []
    for name, curve in summary["curves"].items():
        of_sizes = [curve.get(str(size)) for size in sizes]
        rows.append(
            [
                METHODS[name],
                *("" if p is None else _plus_minus(p["mean"], p["sd_over_seeds"]) for p in of_sizes),
            ]
        )
    table = markdown_table(["training fields", *map(str, sizes)], rows)
    folds = " of a fold" if any(fold_of(one["name"]) for one in summary["splits"]) else ""
    text = (
        "Dice on the same test fields; mean and standard deviation over seeds. One order of the training "
        f"fields{folds} was drawn, and larger sets hold the smaller ones: how much the draw matters is not "
        "known, so intervals between different numbers of fields are too narrow."
    )
    absent = [
        f"{METHODS[name]} with {size}: {point['fields_without']} of {point['fields']}"
        for name, curve in summary["curves"].items()
        for size, point in curve.items()
        if point["fields_without"]
    ]
    if absent:
        text += f" Left out, since neither map nor truth have the class: {', '.join(absent)}."
    parts = [
        _conditions(summary),
        "## Learning curve (the paper's Fig. 7)",
        text,
        table,
        pairs_of_sizes(summary["differences"]),
        _splits(summary["splits"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _conditions(summary: dict[str, Any]) -> str:
    lines = [f"# {summary['title']}", "", *(f"- {line}" for line in summary["conditions"])]
    return "\n".join(lines)


def _binary_overlap(methods: dict[str, Any], cell: str) -> str:
    head = [
        "method",
        *_OVERLAP.values(),
        "fields without Dice",
        "fields without distance",
        "paper: Dice",
        "paper: Jaccard",
        "paper: Hausdorff",
    ]
    rows = []
    for name, method in methods.items():
        paper = BINARY_OVERLAP.get(name, {})
        overlap = method["overlap"]
        rows.append(
            [
                METHODS[name],
                *(_mean_sd(overlap[figure][cell], _digits(figure)) for figure in _OVERLAP),
                *(
                    f"{overlap[figure][cell]['fields_without']} of {overlap[figure][cell]['fields']}"
                    for figure in ("dice", "hausdorff")
                ),
                *(
                    _plus_minus(*paper[figure], _digits(figure)) if figure in paper else ""
                    for figure in ("dice", "jaccard", "hausdorff")
                ),
            ]
        )
    return (
        f"## Overlap and distance of cells (Table I)\n\n{markdown_table(head, rows)}\n\n"
        "A field without cells in map and truth has no Dice, one without cells in either no distance."
    )


def _of_classes(methods: dict[str, Any], classes: Sequence[str], figure: str) -> str:
    columns, digits = [*classes, "average"], _digits(figure)
    name_of_figure = _OVERLAP[figure].replace(", px", " distance in px")
    rows = []
    for name, method in methods.items():
        overlap = method["overlap"][figure]
        rows.append([METHODS[name], *(_mean_sd(overlap[column], digits) for column in columns)])
        paper = MULTI_CLASS_OVERLAP[figure].get(name)
        if paper and tuple(classes) == SCD.classes:
            rows.append(["- the paper's", *(_plus_minus(*value, digits) for value in paper)])
    why = (
        "the map or the truth lacks the class"
        if figure == "hausdorff"
        else "neither map nor truth have the class"
    )
    return (
        f"## {name_of_figure} of each class (Table III)\n\n{markdown_table(['method', *columns], rows)}\n\n"
        f"Left out, since {why}: {', '.join(_left_out(methods, classes, figure)) or 'none'}. "
        "A class without any in a fold is left out of that fold's average."
        + (f" {_OF_OUTLINES}" if figure == "hausdorff" else "")
    )


def _left_out(methods: dict[str, Any], classes: Sequence[str], figure: str) -> list[str]:
    """Of how many fields the figure of a class is not defined, in words."""
    return [
        f"{METHODS[name]} {column} {entry['fields_without']} of {entry['fields']}"
        for name, method in methods.items()
        for column, entry in ((column, method["overlap"][figure][column]) for column in classes)
        if entry["fields_without"]
    ]


def _averages(methods: dict[str, Any]) -> str:
    """Of what the paper does not have."""
    figures = ("hausdorff95", "surface_dice")
    rows = [
        [METHODS[name], *(_mean_sd(method["overlap"][f]["average"], _digits(f)) for f in figures)]
        for name, method in methods.items()
    ]
    table = markdown_table(["method", *(_OVERLAP[f] for f in figures)], rows)
    return f"## Averages over the classes\n\n{table}\n\nHD95 is left out where the Hausdorff distance is."


def _cell_errors(methods: dict[str, Any], truth: dict[str, Any] | None, classes: Sequence[str]) -> str:
    """The paper's errors III are incomplete cells in binary (Table II), cells of two classes in Table IV."""
    binary = len(classes) == 2
    papers = CELL_ERRORS if binary or tuple(classes) == SCD.classes else {}
    labels = {error: label for error, label in _ERRORS.items() if not binary or error != "misclassified"}
    head = ["method", *(f"{label} a fold" for label in labels.values())]
    head += [f"{label} per 100 cells" for label in labels.values()]
    rows = []

    def add(title: str, errors: dict[str, Any]) -> None:
        row = [title, *(_mean_sd(errors[error]["per_fold"], 1) for error in labels)]
        rows.append([*row, *(_mean_sd(errors[error]["per_100_cells"], 2) for error in labels)])

    for name, method in methods.items():
        add(METHODS[name], method["cell_errors"])
        if name in papers:
            kinds = ("joined", "artefacts", third_error(classes))
            paper = dict(zip(kinds, papers[name], strict=True))
            paper[TOGETHER] = (sum(mean for mean, _ in paper.values()), nan)
            per_fold = [_plus_minus(*paper[error], 1) if error in paper else "" for error in labels]
            rows.append(["- the paper's, by hand", *per_fold, *[""] * len(labels)])
    if truth:
        add(_TRUE_MAP, truth["cell_errors"])
    table = "II" if binary else "IV"
    third = "incomplete cells" if binary else "cells of two classes"
    return (
        f"## Cell errors (Table {table})\n\n{markdown_table(head, rows)}\n\n{_DEFINITIONS}"
        f"{'' if binary else _TWO_CLASSES} I + II + III has "
        f"{third} for III, as the paper's Table {table} does, and no missed ones: a method that finds little "
        "makes few of them, so it is to be read beside the others."
        f"{_TRUTH if truth else ''}" + (f" {_PAPERS_ROWS}" if {*methods} & {*papers} else "")
    )


def _found_cell_errors(methods: dict[str, Any], truth: dict[str, Any] | None) -> str:
    """Of methods whose results have them: those of versions before 0.7 do not."""
    labels = {error: _ERRORS[error] for error in (*OF_FOUND_CELLS, TOGETHER)}
    counted = {METHODS[name]: method.get(FOUND_CELLS) for name, method in methods.items()}
    if not any(counted.values()):
        return ""
    if truth:
        counted[_TRUE_MAP] = truth[FOUND_CELLS]
    rows = [
        [
            name,
            *(_mean_sd(errors[error]["per_fold"], 1) for error in labels),
            *(_mean_sd(errors[error]["per_100_cells"], 2) for error in labels),
        ]
        for name, errors in counted.items()
        if errors
    ]
    head = ["method", *(f"{label} a fold" for label in labels.values())]
    head += [f"{label} per 100 cells" for label in labels.values()]
    return (
        f"## Errors of the cells that are counted\n\n{markdown_table(head, rows)}\n\n{_FOUND}"
        f"{_measured_without_found_cells(methods)}"
    )


def _measured_without_found_cells(methods: dict[str, Any]) -> str:
    """Which methods and seeds, a sentence; none where there are none."""
    missing = []
    for name, method in methods.items():
        unknown = sorted({*method["seeds"]} - {*method.get(SEEDS_OF_FOUND_CELLS, [])})
        if unknown == method["seeds"]:
            missing.append(METHODS[name])
        elif unknown:
            missing.append(f"{METHODS[name]}, seed{'s' * (len(unknown) > 1)} {', '.join(map(str, unknown))}")
    return f" Not known of {'; '.join(missing)}: measured by an older version." if missing else ""


def _detection(methods: dict[str, Any]) -> str:
    rows = [
        [
            METHODS[name],
            _mean_sd(method["detection"]["f1"]),
            _mean_sd(method["detection"]["panoptic_quality"]),
            _mean_sd(_in_percent(method["count_error"]), 1),
            *(_mean_sd(recall) for recall in method["cell_recall"].values()),
        ]
        for name, method in methods.items()
    ]
    names = next(iter(methods.values()))["cell_recall"]
    head = ["method", "F1", "panoptic quality", "count off by, %", *(f"recall of {n}" for n in names)]
    return (
        f"## Cells found, at an overlap (IoU) of more than 0.5\n\n{markdown_table(head, rows)}\n\n"
        "The count of a field's cells is off by so much of the true one, whichever way."
    )


def _cell_confusion(methods: dict[str, Any], classes: Sequence[str]) -> str:
    rows = [
        [METHODS[name], true, *map(str, counts)]
        for name, method in methods.items()
        for true, counts in zip(("nothing", *classes[1:]), method["cell_confusion"], strict=True)
    ]
    head = ["method", "true", "not found", *(f"called {name}" for name in classes[1:])]
    table = markdown_table(head, rows)
    return (
        "## Cells of each class and what they were called, all folds and seeds\n\n"
        f"{table}\n\nFound, again, is what overlaps (IoU) by more than half."
    )


def _auc(methods: dict[str, Any], classes: Sequence[str]) -> str:
    names = classes[1:] if len(classes) == 2 else classes
    rows = [
        [
            METHODS[name],
            *(_mean_sd(method["auc"][c], 4) for c in names),
            _mean_sd(method["calibration_error"], 4),
        ]
        for name, method in methods.items()
    ]
    head = ["method", *(f"AUC {name}" for name in names), "calibration error"]
    return f"## ROC and calibration of pixels (Fig. 5)\n\n{markdown_table(head, rows)}"


def _cost(methods: dict[str, Any], validation: dict[str, list[dict[str, list[float]]]]) -> str:
    """What was trained, how long, and whether that was long enough."""
    rows = [
        [
            METHODS[name],
            str(method["jobs"]),
            str(len(method["seeds"])),
            _plus_minus(method["fit_seconds"], nan, 0),
            _last_change([curve["losses"] for curve in validation.get(name, ())]),
        ]
        for name, method in methods.items()
    ]
    head = ["method", "jobs", "seeds", "median time of a fit, s", "last change of the validation loss"]
    text = (
        "The time is none where it is not known: of fits that were interrupted, of seeds that were joined. "
        "The last change of the validation loss is from the last look but one at the inner validation fields "
        "to the last, mean over trainings. Far below 0, more steps would have helped; near 0 they may still "
        "where the learning rate ends there (schedule one-cycle). Where there was one look only it is empty: "
        "give a smaller --validate-every."
    )
    return f"## Jobs\n\n{markdown_table(head, rows)}\n\n{text if validation else ''}".rstrip()


def _last_change(curves: Sequence[Sequence[float]]) -> str:
    """In per cent; of trainings with one look there is none."""
    looked_at_twice = [losses for losses in curves if len(losses) > 1 and losses[-2] > 0]
    changes = [100 * (losses[-1] / losses[-2] - 1) for losses in looked_at_twice]
    return f"{sum(changes) / len(changes):+.1f} %" if changes else ""


def _crops(methods: dict[str, Any]) -> str:
    with_crops = {name: method["crops"] for name, method in methods.items() if "crops" in method}
    if not with_crops:
        return ""
    rows = [
        [
            METHODS[name],
            ", ".join(map(str, dict.fromkeys(crops["crops"]))),
            ", ".join(f"{100 * value:.1f}" for value in crops["right"]),
            ", ".join(f"{100 * value:.1f}" for value in crops["mean_recall"]),
        ]
        for name, crops in with_crops.items()
    ]
    head = ["method", "crops", "right, %, a seed", "mean recall, %, a seed"]
    return f"## Single real crops of patients not trained on\n\n{markdown_table(head, rows)}"


def _splits(splits: Sequence[dict[str, Any]]) -> str:
    """The test fields of every split by name, folded away."""
    lines = [
        f"- {split['name']}, {plural(len(split['training']), 'training field')}: {', '.join(split['test'])}"
        for split in splits
    ]
    head = "<details><summary>The test fields of every split</summary>"
    return "\n\n".join([head, "\n".join(lines), "</details>"])


def _in_percent(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "mean": 100 * entry["mean"], "sd": 100 * entry["sd"]}


def _digits(figure: str) -> int:
    return 1 if figure.startswith("hausdorff") else 3


def _mean_sd(entry: dict[str, Any], digits: int = 3) -> str:
    """With the number of folds that have it, where some have not."""
    folds = entry["folds"].values()
    there = sum(not isnan(value) for value in folds)
    text = _plus_minus(entry["mean"], entry["sd"], digits)
    return text if there in (0, len(folds)) else f"{text} ({there} of {len(folds)} folds)"


def _plus_minus(mean: float, sd: float, digits: int = 3) -> str:
    if isnan(mean):
        return "none"
    return f"{mean:.{digits}f}" if isnan(sd) else f"{mean:.{digits}f} ± {sd:.{digits}f}"
