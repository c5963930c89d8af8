"""The columns of the table of cells: the one place that names and explains them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from drepano.taxonomy import Taxonomy


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
    dtype : str
        Of NumPy.
    unit : str
        "" where it has none.
    meaning : str
    """

    name: str
    dtype: str
    unit: str
    meaning: str


_CELL_COLUMNS = (
    Column("cell", "int64", "", "number of the cell in its field, from 1, as in the label image"),
    Column("class", "str", "", "class with the largest probability summed over the cell's pixels"),
    Column("class_probability", "float64", "", "its share of that sum over all classes of cells, 0 to 1"),
    Column("uncertain", "bool", "", "whether class_probability is below 0.6: no class is a clear winner"),
    Column("area_px", "int64", "px²", "number of pixels"),
    Column("area_um2", "float64", "µm²", "area; empty without a pixel size"),
    Column("centroid_y_px", "float64", "px", "row of the centroid, from the middle of the uppermost row"),
    Column(
        "centroid_x_px", "float64", "px", "column of the centroid, from the middle of the leftmost column"
    ),
    Column("major_axis_px", "float64", "px", "long axis of the ellipse with the same second moments"),
    Column("major_axis_um", "float64", "µm", "the same; empty without a pixel size"),
    Column("minor_axis_px", "float64", "px", "short axis of that ellipse"),
    Column("minor_axis_um", "float64", "µm", "the same; empty without a pixel size"),
    Column("aspect_ratio", "float64", "", "long axis divided by short axis, at least 1"),
    Column("eccentricity", "float64", "", "of that ellipse: 0 for a circle, towards 1 for a line"),
    Column("circularity", "float64", "", "4 π area / perimeter², at most 1; Crofton's perimeter"),
    Column("solidity", "float64", "", "share of its convex hull that the cell fills, at most 1"),
    Column(
        "bend",
        "float64",
        "",
        "how far the middle of the cell's parabolic axis leaves its chord, in short axes",
    ),
    Column(
        "mean_contrast",
        "float64",
        "grey levels",
        "mean over the cell of grey less that of the field's background",
    ),
    Column("sd_contrast", "float64", "grey levels", "standard deviation of grey within the cell"),
    Column("bbox_top_px", "int64", "px", "first row of the bounding box"),
    Column("bbox_left_px", "int64", "px", "first column"),
    Column("bbox_bottom_px", "int64", "px", "row after the last"),
    Column("bbox_right_px", "int64", "px", "column after the last"),
    Column(
        "touches_border",
        "bool",
        "",
        "whether the field's border may have cut the cell; such cells have no say in means",
    ),
    Column("touches_cell", "bool", "", "whether a pixel of another cell is next to one of this cell"),
)


def cell_columns(taxonomy: Taxonomy) -> tuple[Column, ...]:
    """The table's columns in order; the last ones are the probabilities of the classes of cells."""
    probabilities = (
        Column(f"probability {name}", "float64", "", f"share of {name} in the summed probabilities, 0 to 1")
        for name in taxonomy.cell_classes
    )
    return (*_CELL_COLUMNS, *probabilities)


def no_cells(taxonomy: Taxonomy) -> pd.DataFrame:
    """The table of a field without cells."""
    return pd.DataFrame({column.name: pd.Series(dtype=column.dtype) for column in cell_columns(taxonomy)})
