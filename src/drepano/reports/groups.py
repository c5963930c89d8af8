"""Patients, or whatever else fields were grouped by, as rows and sentences for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

from drepano.reports import wording
from drepano.reports.group_charts import group_shares_svg, time_course_svg
from drepano.taxonomy import SICKLED_CLASS, Taxonomy

if TYPE_CHECKING:
    import pandas as pd

_TIME = "time"
_FEW_FIELDS = 5
_MOST_NAMED = 3
_MOST_DIFFERENCES = 30


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of fields.

    Parameters
    ----------
    table : pandas.DataFrame
        From `drepano.cells.summarise_groups`.
    differences : pandas.DataFrame
        From `drepano.cells.compare_groups`.
    keys : tuple of str
        Columns of `table` that name a group.
    precision : float
        Half width wanted of the interval of the sickled share.
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    keys: tuple[str, ...]
    precision: float


@dataclass(frozen=True)
class GroupRow:
    """One line of the table of groups, as text."""

    name: str
    fields: str
    cells: str
    uncertain: str
    density: str
    area: str
    share: str
    interval: str
    binomial: str
    corrected: str
    needed: str


@dataclass(frozen=True)
class GroupsView:
    """What the page shows of the groups.

    Parameters
    ----------
    heading : str
        What a group is: "patient", or all keys.
    sickled : str
        Name of the class whose share is shown, "" without classes.
    rows : list of GroupRow
    precision : str
        Half width wanted of the interval.
    few : str
        Which groups have too few fields, "" where none has.
    differences : list of str
        Of the sickled share.
    chart, course : str
        ``<svg>`` elements, "" where there is nothing to draw.
    """

    heading: str
    sickled: str
    rows: list[GroupRow]
    precision: str
    few: str
    differences: list[str]
    chart: str
    course: str


def view_groups(groups: Groups, taxonomy: Taxonomy) -> GroupsView:
    """The groups as text and drawings."""
    labels = [_label(row, groups.keys) for row in groups.table.to_dict("records")]
    sickled = SICKLED_CLASS if SICKLED_CLASS in taxonomy.cell_classes else ""
    differ = len(taxonomy.cell_classes) > 1
    return GroupsView(
        heading=", ".join(groups.keys),
        sickled=sickled,
        rows=[
            _row(label, row, sickled)
            for label, row in zip(labels, groups.table.to_dict("records"), strict=True)
        ],
        precision=f"{100 * groups.precision:g} %",
        few=_few(groups, labels),
        differences=_differences(groups.differences, sickled),
        chart=group_shares_svg(labels, groups.table, taxonomy) if differ and labels else "",
        course=_time_course(groups, sickled, taxonomy) if sickled else "",
    )


def _label(row: Mapping[Any, Any], keys: Sequence[str]) -> str:
    first, *others = keys
    return ", ".join([str(row[first]), *(f"{key} {row[key]}" for key in others)])


def _row(label: str, row: Mapping[Any, Any], sickled: str) -> GroupRow:
    def share(kind: str) -> float:
        value = row.get(f"{sickled} {kind}")
        return float("nan") if value is None else float(value)

    return GroupRow(
        name=label,
        fields=wording.whole(row["fields"]),
        cells=wording.whole(row["cells"]),
        uncertain=wording.whole(row["uncertain_cells"]),
        density=_density(row),
        area=_area(row),
        share=wording.percentage(share("fraction")),
        interval=_interval(share("low"), share("high")),
        binomial=_interval(share("binomial low"), share("binomial high")),
        corrected=f"{wording.percentage(share('corrected'))} "
        f"({_interval(share('corrected low'), share('corrected high'))})",
        needed=wording.whole(row["fields_for_precision"]) if sickled else "",
    )


def _density(row: Mapping[Any, Any]) -> str:
    if isnan(row["density_per_mm2"]):
        return f"{wording.whole(row['density_per_megapixel'])} a megapixel"
    return f"{wording.whole(row['density_per_mm2'])} a mm²"


def _area(row: Mapping[Any, Any]) -> str:
    unit, digits = ("px", 0) if isnan(row["mean_area_um2"]) else ("um2", 1)
    mean, spread = row[f"mean_area_{unit}"], row[f"sd_area_{unit}"]
    if isnan(mean):
        return wording.MISSING
    text = f"{mean:,.{digits}f}" + ("" if isnan(spread) else f" ± {spread:,.{digits}f}")
    return f"{text} {'px' if unit == 'px' else 'µm²'}"


def _interval(low: float, high: float) -> str:
    return wording.MISSING if isnan(low) else f"{100 * low:.1f} to {100 * high:.1f} %"


def _few(groups: Groups, labels: Sequence[str]) -> str:
    """A sentence on groups whose intervals are narrower than they should be."""
    pairs = list(zip(labels, groups.table["fields_with_cells"], strict=True))
    one = [label for label, fields in pairs if fields == 1]
    few = [label for label, fields in pairs if 1 < fields < _FEW_FIELDS]
    sentences = []
    if one:
        sentences.append(
            f"Of {_listed(one)} there is one field with cells: how fields differ is not known, and the "
            "binomial interval, the only one, is too narrow."
        )
    if few:
        sentences.append(
            f"Of {_listed(few)} there are fewer than {_FEW_FIELDS} fields: the interval is too narrow."
        )
    return " ".join(sentences)


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} groups"


def _differences(table: pd.DataFrame, sickled: str) -> list[str]:
    """A sentence a pair with an interval, of the sickled share; not more than can be read."""
    known = table[(table["class"] == sickled) & table["low"].notna()].to_dict("records")
    rest = len(known) - _MOST_DIFFERENCES
    more = [f"And {rest} more pairs: see differences.csv."] if rest > 0 else []
    return [_difference(row) for row in known[:_MOST_DIFFERENCES]] + more


def _difference(row: Mapping[Any, Any]) -> str:
    where = f" ({row['same']})" if row["same"] else ""
    pair = f"{row['differ_in']} {row['first']} and {row['second']}{where}"
    size = f"{100 * row['difference']:+.1f} points"
    verdict = "more than chance" if row["more_than_chance"] else "not told apart from chance"
    return f"{row['class']}, {pair}: {size} ({100 * row['low']:+.1f} to {100 * row['high']:+.1f}), {verdict}."


def _time_course(groups: Groups, name: str, taxonomy: Taxonomy) -> str:
    """The sickled share against time: a line a group of the other keys, or else a patient, with two times.

    Groups whose time is no number are left out.
    """
    import pandas as pd

    if _TIME not in groups.keys:
        return ""
    table = groups.table.assign(**{_TIME: pd.to_numeric(groups.table[_TIME], errors="coerce")})
    table = table.dropna(subset=[_TIME, f"{name} fraction"])
    others = [key for key in groups.keys if key != _TIME]
    for keys in (others, others[:1]):
        courses = {
            _label(dict(zip(keys, values, strict=True)), keys): course.sort_values(_TIME)
            for values, course in table.groupby(keys, sort=True)
        }
        distinct = all(course[_TIME].is_unique for course in courses.values())
        if distinct and any(len(course) > 1 for course in courses.values()):
            return time_course_svg(courses, _TIME, name, list(taxonomy.colours[1:]))
    return ""
