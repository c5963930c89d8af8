"""Many fields in, a folder of results out: what ``drepano predict`` does."""

from drepano.prediction.field_files import FieldFile, list_fields
from drepano.prediction.records import RECORDS, RESULT_SUFFIXES, FieldRecord
from drepano.prediction.run import Outcome, predict_fields

__all__ = [
    "RECORDS",
    "RESULT_SUFFIXES",
    "FieldFile",
    "FieldRecord",
    "Outcome",
    "list_fields",
    "predict_fields",
]
