"""Tables, figures and the page of an experiment, all drawn from its JSON."""

from drepano.reports.experiment.report import PAGE, write_comparison, write_learning_curve

__all__ = ["PAGE", "write_comparison", "write_learning_curve"]
