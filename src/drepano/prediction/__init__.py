"""Many fields in, a folder of results out: what ``drepano predict`` does."""

from drepano.prediction.field_files import FieldFile, list_fields
from drepano.prediction.records import RECORDS, RESULT_SUFFIXES, FieldRecord
from drepano.prediction.run import Outcome, Scale, predict_fields
from drepano.prediction.samples import match_samples, read_samples, samples_of_folders

__all__ = [
    "RECORDS",
    "RESULT_SUFFIXES",
    "FieldFile",
    "FieldRecord",
    "Outcome",
    "Scale",
    "list_fields",
    "match_samples",
    "predict_fields",
    "read_samples",
    "samples_of_folders",
]
