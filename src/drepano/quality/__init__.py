"""Whether a field can be trusted: light, focus, cells, and how unlike the fields of training it is."""

from drepano.quality.appearance import describe, ranges
from drepano.quality.checks import Quality, check_quality

__all__ = ["Quality", "check_quality", "describe", "ranges"]
