"""Many fields in, a folder of results out: what ``drepano predict`` does."""

from drepano.prediction.field_files import FieldFile, list_fields
from drepano.prediction.one_field import Options
from drepano.prediction.records import RECORDS, names_of_tables
from drepano.prediction.run import Outcome, predict_fields
from drepano.prediction.samples import Samples, match_samples, read_samples, samples_of_folders

__all__ = [
    "RECORDS",
    "FieldFile",
    "Options",
    "Outcome",
    "Samples",
    "list_fields",
    "match_samples",
    "names_of_tables",
    "predict_fields",
    "read_samples",
    "samples_of_folders",
]
