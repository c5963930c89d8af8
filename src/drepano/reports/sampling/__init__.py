"""Where a pixel's kernels sample: figures, tables and the page of `drepano offsets`, drawn from its JSON."""

from drepano.reports.sampling.report import write_sampling

__all__ = ["write_sampling"]
