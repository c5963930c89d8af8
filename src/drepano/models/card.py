"""The model card: what a weights file says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from drepano.errors import DrepanoError
from drepano.field import NECK
from drepano.preprocessing import Normalisation
from drepano.taxonomy import Taxonomy


class DataUse(BaseModel):
    """One data set that a network was trained on."""

    model_config = ConfigDict(extra="forbid")

    name: str
    fields: int
    licence: str
    origin: str
    patients: list[str] = []


class Metric(BaseModel):
    """One measured figure with what it was measured on and how."""

    model_config = ConfigDict(extra="forbid")

    name: str
    value: FiniteFloat
    conditions: str


class ModelCard(BaseModel):
    """Everything needed to rebuild, use and judge a network.

    Parameters
    ----------
    name : str
    architecture : dict
        Arguments of `drepano.models.create`.
    taxonomy : str
    classes : list of str
        Class names in the order of the output channels, the background first.
    cell_diameter : float
        Diameter in px of a typical cell at the scale that the network knows.
    normalisation : {"background", "contrast"}
        What of a field's light is taken out before the network sees it.
    neck : float
        How narrow a neck parts two cells, see `drepano.field.Segmentation`; chosen on fields that were not
        trained on then.
    appearance : dict
        Range of each number of `drepano.quality.describe` over the fields of training; empty where not known.
    training : dict
        Resolved training configuration.
    data : list of DataUse
    metrics : list of Metric
    cell_confusion : list of lists of lists of int
        For each patient of a test the cells of each true class (row) called each class (column), classes of
        cells only; empty where there was no test. Counts of patients are corrected with it.
    notes : str
    version : str
        Version of Drepano that wrote the file.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    architecture: dict[str, Any]
    taxonomy: str
    classes: list[str]
    cell_diameter: float = Field(ge=1, le=5000)
    normalisation: Normalisation = "background"
    neck: float = Field(default=NECK, ge=0, le=1)
    appearance: dict[str, tuple[float, float]] = {}
    training: dict[str, Any]
    data: list[DataUse]
    metrics: list[Metric] = []
    cell_confusion: list[list[list[int]]] = []
    notes: str = ""
    version: str

    @field_validator("cell_confusion", mode="before")
    @classmethod
    def _of_one_test(cls, matrices: Any) -> Any:
        """Versions before 0.3 had one matrix of all patients together."""
        return [matrices] if matrices and matrices[0] and isinstance(matrices[0][0], int) else matrices

    @property
    def class_taxonomy(self) -> Taxonomy:
        """The classes as a taxonomy."""
        return Taxonomy(self.taxonomy, tuple(self.classes))


def parse_card(text: str, where: str) -> ModelCard:
    """The card in `text`, JSON read from `where`.

    Raises
    ------
    DrepanoError
        If it is no card.
    """
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise DrepanoError(
            f"{where}: its model card is not valid ({place}: {first['msg']}); "
            "use a file written by this version of drepano train"
        ) from error


def parse_confusion(path: Path, classes: int) -> list[list[list[int]]]:
    """Confusion matrices from a JSON file: for each patient and class of cells how many were called what.

    Raises
    ------
    DrepanoError
        If the file cannot be read, or has no such matrices of `classes` classes of cells, or no patient has
        cells of one of these.
    """
    try:
        matrices = TypeAdapter(list[list[list[NonNegativeInt]]]).validate_json(path.read_bytes())
    except OSError as error:
        raise DrepanoError(f"{path}: cannot be read ({error.strerror}); check the name") from error
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise DrepanoError(
            f"{path}: {reason}; expected a list with a matrix of counts for each patient"
        ) from error
    if not matrices or any(
        len(matrix) != classes or any(len(row) != classes for row in matrix) for matrix in matrices
    ):
        raise DrepanoError(f"{path}: expected {classes} rows of {classes} counts for each patient")
    if not all(any(sum(matrix[true]) for matrix in matrices) for true in range(classes)):
        raise DrepanoError(f"{path}: a class of cells has no cells in any matrix; test all classes")
    return matrices


def parse_metrics(path: Path) -> list[Metric]:
    """Metrics from a JSON file: a list of objects with name, value and conditions.

    Raises
    ------
    DrepanoError
        If the file cannot be read or is no such list.
    """
    try:
        return TypeAdapter(list[Metric]).validate_json(path.read_bytes())
    except OSError as error:
        raise DrepanoError(f"{path}: cannot be read ({error.strerror}); check the name") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise DrepanoError(
            f"{path}: {first['msg']}; expected a list of {{name, value, conditions}}"
        ) from error
