"""A run of a model over many fields as one HTML file that needs nothing else."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drepano.errors import DrepanoError
from drepano.io.files import atomic_path
from drepano.reports import wording
from drepano.reports.chart import class_fractions_svg
from drepano.reports.distributions import distributions_svg
from drepano.reports.field_picture import ReportedField, field_svg
from drepano.reports.gallery import make_gallery
from drepano.reports.groups import Groups, view_groups
from drepano.reports.methods import methods_text
from drepano.reports.svg import hexadecimal
from drepano.taxonomy import Taxonomy

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_SIDE, _SHORTEST_SIDE = 1600, 400  # px, of an embedded field
_FIELDS_IN_FULL = 16
"""With more fields their pictures become smaller, so that the page stays under 20 MB for 200."""
_SOFTWARE = ("drepano", "torch", "numpy", "scipy", "scikit-image", "pandas")


@dataclass(frozen=True)
class Failure:
    """A file that gave no cells, and why."""

    source: str
    reason: str


@dataclass(frozen=True)
class _ClassCount:
    """Cells of one class, in one field or in all."""

    name: str
    colour: str
    cells: str
    share: str


@dataclass(frozen=True)
class _Row:
    """One line of the table of fields, as text."""

    field: str
    cells: str
    density: str
    mean_area: str
    classes: tuple[_ClassCount, ...]


@dataclass(frozen=True)
class _FieldView:
    """A field with its line of the table, under the name that links within the page use."""

    anchor: str
    field: ReportedField
    row: _Row

    @property
    def description(self) -> str:
        """What the overlay shows, for readers who cannot see it."""
        counts = ", ".join(f"{entry.cells} {entry.name}" for entry in self.row.classes)
        return f"Field {self.field.name} with its cells outlined: {counts}"

    def picture(self, class_names: Sequence[str], longest_side: int) -> str:
        """The field as ``<svg>``; made when asked, so that only one is in memory."""
        return field_svg(self.field, class_names, self.description, longest_side)


def write_report(
    path: Path,
    *,
    title: str,
    fields: Sequence[ReportedField],
    failures: Sequence[Failure],
    summary: pd.DataFrame,
    cells: pd.DataFrame,
    groups: Groups,
    taxonomy: Taxonomy,
    model: Mapping[str, Any],
    settings: Mapping[str, str],
) -> None:
    """Write a report for the eyes of a researcher: counts, chart, outlined fields, and how they were made.

    Parameters
    ----------
    path : Path
        The HTML file to write. It holds all pictures and loads nothing.
    title : str
        Heading of the report.
    fields : sequence of ReportedField
        Fields that were segmented, in the order to show them.
    failures : sequence of Failure
        Files that could not be; shown near the top.
    summary : DataFrame
        One row a field: `field` (str), `cells` (int), `density_per_megapixel` (float, cells in a million
        px), `mean_area_px` (float, px, over the `whole_cells` (int) that no border cuts, NaN without
        them), and for each cell class `<class> cells` (int)
        and `<class> fraction` (float, NaN without cells).
    cells : DataFrame
        One row a cell of all fields, from `drepano.cells.measure_cells`.
    groups : Groups
        Patients, or whatever the fields were grouped by.
    taxonomy : Taxonomy
        The classes.
    model : mapping
        The model card: texts, numbers, lists and mappings, shown as they are. Its `name` also
        stands in the head.
    settings : mapping from str to str
        What the run was asked to do.

    Raises
    ------
    DrepanoError
        If the summary lacks a field, or an image can no longer be read.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("drepano.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"heading": wording.heading, "value": wording.value, "columns": wording.columns}
    environment.filters["plural"] = wording.plural
    environment.tests["table"] = wording.is_table

    class_names = taxonomy.cell_classes
    rows = _rows(summary, taxonomy)
    views = list(_views(fields, rows))
    # With one class of cells every share is 100 %: nothing to draw.
    classes_differ = len(class_names) > 1
    software = _software()
    pieces = environment.get_template("report.html.j2").generate(
        title=title,
        views=views,
        failures=failures,
        warned=[view for view in views if view.field.warnings],
        rows=rows,
        groups=view_groups(groups, taxonomy),
        total=_total(summary, taxonomy),
        classes_differ=classes_differ,
        class_names=class_names,
        colours=[hexadecimal(colour) for colour in taxonomy.colours[1:]],
        longest_side=_picture_side(len(fields)),
        gallery=make_gallery(fields, class_names) if classes_differ else [],
        distributions=Markup(distributions_svg(cells, taxonomy)),
        methods=methods_text(
            model, settings, software, taxonomy, corrected=bool(model.get("cell_confusion"))
        ),
        chart=Markup(class_fractions_svg(summary, taxonomy)) if classes_differ else None,
        model=model,
        settings=settings,
        software=software,
        seconds=sum(field.seconds for field in fields),
    )
    with (
        atomic_path(path) as temporary,
        # File names may hold bytes that are no UTF-8; they are shown as \udc.. rather than stop the report.
        temporary.open("w", encoding="utf-8", errors="backslashreplace") as page,
    ):
        page.writelines(pieces)


def _picture_side(fields: int) -> int:
    """Longest side of every embedded field, px."""
    fitting = _LONGEST_SIDE * (_FIELDS_IN_FULL / max(fields, _FIELDS_IN_FULL)) ** 0.5
    return max(_SHORTEST_SIDE, round(fitting))


def _views(fields: Sequence[ReportedField], rows: Sequence[_Row]) -> Iterator[_FieldView]:
    row_of = {row.field: row for row in rows}
    for number, field in enumerate(fields, start=1):
        if field.name not in row_of:
            raise DrepanoError(f"the summary has no row for field {field.name!r}; give it one row a field")
        yield _FieldView(f"field-{number}", field, row_of[field.name])


def _rows(summary: pd.DataFrame, taxonomy: Taxonomy) -> list[_Row]:
    return [
        _Row(
            str(record["field"]),
            wording.whole(record["cells"]),
            wording.whole(record["density_per_megapixel"]),
            wording.whole(record["mean_area_px"]),
            _class_counts(
                [record[f"{name} cells"] for name in taxonomy.cell_classes],
                [record[f"{name} fraction"] for name in taxonomy.cell_classes],
                taxonomy,
            ),
        )
        for record in summary.to_dict("records")
    ]


def _total(summary: pd.DataFrame, taxonomy: Taxonomy) -> _Row:
    """All fields as one; every cell counts the same, whatever its field, for shares every place once."""
    from drepano.cells import counts_by_place

    cells = int(summary["cells"].sum())
    counts = [int(summary[f"{name} cells"].sum()) for name in taxonomy.cell_classes]
    once = counts_by_place(summary, taxonomy.cell_classes).sum().to_numpy()
    fractions = list(once / once.sum()) if cells else [float("nan")] * len(once)
    whole = int(summary["whole_cells"].sum())
    area = float((summary["whole_cells"] * summary["mean_area_px"]).sum())
    return _Row(
        "All fields",
        wording.whole(cells),
        wording.MISSING,
        wording.whole(area / whole if whole else float("nan")),
        _class_counts(counts, fractions, taxonomy),
    )


def _class_counts(
    counts: Sequence[float], fractions: Sequence[float], taxonomy: Taxonomy
) -> tuple[_ClassCount, ...]:
    return tuple(
        _ClassCount(name, hexadecimal(colour), wording.whole(count), wording.percentage(fraction))
        for name, colour, count, fraction in zip(
            taxonomy.cell_classes, taxonomy.colours[1:], counts, fractions, strict=True
        )
    )


def _software() -> dict[str, str]:
    return {"Python": platform.python_version(), **{name: version(name) for name in _SOFTWARE}}
