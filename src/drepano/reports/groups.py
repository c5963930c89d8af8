"""Patients, or whatever else fields were grouped by, as rows and sentences for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from drepano.errors import some_of
from drepano.reports import wording
from drepano.reports.group_charts import group_shares_svg, time_course_svg
from drepano.taxonomy import SICKLED_CLASS, Taxonomy
from drepano.times import is_time, on_one_axis, read_time

if TYPE_CHECKING:
    import pandas as pd

_MOST_NAMED = 3
_MOST_WANTING = 12
_MOST_DIFFERENCES = 30
_VERDICTS = {True: "more than chance", False: "not told apart from chance"}


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
    alone : str
        Which groups have one field only, "" where none has.
    pooled : str
        In which groups fields show the same cells again, "" where none do.
    wanting : str
        Which groups have too few fields for that precision.
    differences : list of str
        Of the sickled share.
    chart, course : str
        ``<svg>`` elements, "" where there is nothing to draw.
    not_drawn : str
        What the time course leaves out.
    corrects : bool
        Whether there are corrected shares.
    """

    heading: str
    sickled: str
    rows: list[GroupRow]
    precision: str
    alone: str
    pooled: str
    wanting: str
    differences: list[str]
    chart: str
    course: str
    not_drawn: str
    corrects: bool


def view_groups(groups: Groups, taxonomy: Taxonomy) -> GroupsView:
    """The groups as text and drawings."""
    labels = [_label(row, groups.keys) for row in groups.table.to_dict("records")]
    sickled = SICKLED_CLASS if SICKLED_CLASS in taxonomy.cell_classes else ""
    differ = len(taxonomy.cell_classes) > 1
    course, not_drawn = _time_course(groups, sickled) if sickled else ("", "")
    return GroupsView(
        heading=", ".join(groups.keys),
        sickled=sickled,
        rows=[
            _row(label, row, sickled)
            for label, row in zip(labels, groups.table.to_dict("records"), strict=True)
        ],
        precision=f"{100 * groups.precision:g} points",
        alone=_alone(groups, labels),
        pooled=_pooled(groups, labels),
        wanting=_wanting(groups, labels) if sickled else "",
        differences=_differences(groups.differences, sickled),
        chart=group_shares_svg(labels, groups.table, taxonomy) if differ and labels else "",
        course=course,
        not_drawn=not_drawn,
        corrects=f"{sickled} corrected" in groups.table,
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
        fields=_fields(row),
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


def _fields(row: Mapping[Any, Any]) -> str:
    fields, places, warned = row["fields"], row["places"], row["fields_with_warnings"]
    notes = [f"of {wording.plural(places, 'place')}"] if places < fields else []
    notes += [f"{wording.whole(warned)} with a warning"] if warned else []
    return wording.whole(fields) + (f" ({', '.join(notes)})" if notes else "")


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


def _alone(groups: Groups, labels: Sequence[str]) -> str:
    """A sentence on groups without an interval over fields."""
    with_cells = groups.table["places_with_cells"]
    one = [label for label, places in zip(labels, with_cells, strict=True) if places == 1]
    if not one:
        return ""
    return (
        f"Of {_listed(one)} there is one place with cells: how places differ is not known, and the "
        "binomial interval, the only one, is too narrow."
    )


def _pooled(groups: Groups, labels: Sequence[str]) -> str:
    """A sentence on groups with several layers or times of a place."""
    table = groups.table
    again = [label for label, fewer in zip(labels, table["places"] < table["fields"], strict=True) if fewer]
    if not again:
        return ""
    return (
        f"Of {_listed(again)} some fields are layers or times of one place and show its cells again: counts "
        "have them again, shares and intervals take each place once. In the sheet of samples a column page "
        "chooses among them, and a column of times tells them apart."
    )


def _wanting(groups: Groups, labels: Sequence[str]) -> str:
    """A sentence on how many more fields are needed for the precision asked for."""
    table = groups.table
    rows = zip(labels, table["places_with_cells"], table["fields_for_precision"], strict=True)
    more = {label: int(needed - fields) for label, fields, needed in rows if needed > fields}
    known = int(groups.table["fields_for_precision"].notna().sum())
    if not known:
        return ""
    if not more:
        return (
            "The one group with an interval has enough."
            if known == 1
            else f"All {known} groups with an interval have enough."
        )
    named = [f"{label}: {number} more" for label, number in list(more.items())[:_MOST_WANTING]]
    rest = [f"and {len(more) - _MOST_WANTING} other groups"] if len(more) > _MOST_WANTING else []
    return f"Fields wanting: {'; '.join(named + rest)}."


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
    counts = f"{row['first_count']} and {row['second_count']} {row['over']}"
    if row["over"] == "places":
        counts = f"the same {row['first_count']} places"
    shares = f"{wording.percentage(row['first_share'])} and {wording.percentage(row['second_share'])}"
    size = f"{100 * row['difference']:+.1f} points"
    ends = f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
    verdict = _VERDICTS[row["more_than_chance"]]
    corrected = ""
    if not np.isnan(row.get("corrected low", np.nan)):
        corrected = (
            f" Corrected: {100 * row['corrected difference']:+.1f} points "
            f"({100 * row['corrected low']:+.1f} to {100 * row['corrected high']:+.1f})."
        )
    return f"{row['class']}, {pair}: {shares}, {size} ({ends}, {counts}), {verdict}.{corrected}"


def _time_course(groups: Groups, name: str) -> tuple[str, str]:
    """The sickled share against time: a line a group of the other keys, or else a patient, with two times.

    Returns the drawing, "" where there is nothing to draw, and what was left out of it.
    """
    time = next(filter(is_time, groups.keys), None)
    if time is None:
        return "", ""
    read = [read_time(str(value)) for value in groups.table[time]]
    axis = on_one_axis([one for one in read if one])
    if axis is None:
        return "", "No time course: the times have units that have nothing in common; give all in one."
    numbers, unit = iter(axis[0]), axis[1]
    no_times = dict.fromkeys(
        str(value) for value, one in zip(groups.table[time], read, strict=True) if one is None
    )
    note = f"Not drawn, since they are no times: {some_of(list(no_times))}." if no_times else ""
    table = groups.table.assign(**{time: [next(numbers) if one else np.nan for one in read]})
    table = table.dropna(subset=[time, f"{name} fraction"])
    others = [key for key in groups.keys if key != time]
    for keys in (others, others[:1]):
        courses = {
            _label(dict(zip(keys, values, strict=True)), keys): course.sort_values(time)
            for values, course in table.groupby(keys, sort=True)
        }
        distinct = all(course[time].is_unique for course in courses.values())
        if distinct and any(len(course) > 1 for course in courses.values()):
            return time_course_svg(courses, time, unit, name), note
    if all(course[time].nunique() < 2 for course in courses.values()):
        return "", note
    apart = f", which differ in {', '.join(others[1:])}; leave these columns out" if others[1:] else ""
    return "", f"No time course: there are several groups at one time{apart}. {note}".strip()
