"""ROC and calibration of the pixels of many fields, in memory that does not grow with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from drepano.metrics.counting import check_classes

_BINS = 4096
"""Of the probability's logit between -`_END` and `_END`."""
_END = 16.0
_CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Roc:
    """One class against all others, from the highest threshold to the lowest.

    Parameters
    ----------
    false_positive_rate, true_positive_rate : (n,) float64 arrays
        From 0 to 1; empty where pixels are all of the class or none is.
    auc : float
        Area under the curve; NaN where it is empty.
    """

    false_positive_rate: NDArray[np.float64]
    true_positive_rate: NDArray[np.float64]
    auc: float


class PixelCurves:
    """Gathers probabilities field by field.

    Probabilities are counted in 4096 bins of equal width of their logit, between -16 and 16, so that those
    near 0 and 1, where trained networks have most, are told apart. Probabilities in one bin count as ties: a
    bin spans 0.8 % of p (1 - p), which is at most 0.002. All below 1e-7 share the first bin, all above
    1 - 1e-7 the last.

    Parameters
    ----------
    num_classes : int
    """

    def __init__(self, num_classes: int) -> None:
        self._of_class = np.zeros((num_classes, _BINS), np.int64)
        self._of_others = np.zeros((num_classes, _BINS), np.int64)
        self._calibration = np.zeros((3, _CALIBRATION_BINS))

    def add(self, true: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> None:
        """The pixels of one field.

        Parameters
        ----------
        true : (H, W) uint8 array
        probabilities : (K, H, W) float32 array

        Raises
        ------
        ValueError
            If the shapes do not fit, a true value is no class, or a probability is negative or not a number.
        """
        classes = len(self._of_class)
        if probabilities.shape != (classes, *true.shape):
            raise ValueError(
                f"probabilities have shape {probabilities.shape}, expected {(classes, *true.shape)}"
            )
        check_classes(classes, true)
        lowest = probabilities.min(initial=0)
        if not lowest >= 0:
            raise ValueError(f"probabilities hold {lowest}, expected 0 to 1")
        flat = true.ravel()
        for value, of_class in enumerate(probabilities.reshape(classes, -1).astype(np.float64)):
            with np.errstate(divide="ignore"):
                logits = np.log(of_class) - np.log1p(-np.minimum(of_class, 1))
            places = np.clip((logits + _END) * (_BINS / (2 * _END)), 0, _BINS - 1).astype(np.int64)
            counts = np.bincount(places, minlength=_BINS)
            own = np.bincount(places[flat == value], minlength=_BINS)
            self._of_class[value] += own
            self._of_others[value] += counts - own
        confidence = probabilities.max(axis=0).ravel()
        right = probabilities.argmax(axis=0).ravel() == flat
        bins = np.clip(np.ceil(confidence * _CALIBRATION_BINS) - 1, 0, _CALIBRATION_BINS - 1).astype(np.int64)
        for row, weights in enumerate((None, confidence, right)):
            self._calibration[row] += np.bincount(bins, weights, minlength=_CALIBRATION_BINS)

    def __iadd__(self, other: PixelCurves) -> PixelCurves:
        """The pixels of other fields, which have the same classes."""
        self._of_class += other._of_class
        self._of_others += other._of_others
        self._calibration += other._calibration
        return self

    def roc(self) -> list[Roc]:
        """The curve of every class (the paper's Fig. 5).

        Returns
        -------
        list of Roc
            One for every class, background first, whether the class is there or not.
        """
        curves = []
        for own, others in zip(self._of_class[:, ::-1], self._of_others[:, ::-1], strict=True):
            if own.sum() == 0 or others.sum() == 0:
                curves.append(Roc(np.empty(0), np.empty(0), float("nan")))
                continue
            there = own + others > 0
            true, false = (np.r_[0.0, np.cumsum(side[there]) / side.sum()] for side in (own, others))
            curves.append(Roc(false, true, float(trapezoid(true, false))))
        return curves

    def calibration(self) -> tuple[float, NDArray[np.float64]]:
        """Expected calibration error (Guo et al. 2017), and what it is made of.

        Returns
        -------
        float
            Mean of |share right - confidence| over all pixels, in 15 bins of the highest probability; NaN
            without pixels.
        (3, 15) float64 array
            Of every bin the number of pixels, their mean confidence and the share that is right; NaN where
            there are none.
        """
        counts, confidence, right = self._calibration
        empty = np.full(_CALIBRATION_BINS, np.nan)
        confidence, right = (
            np.divide(sums, counts, out=empty.copy(), where=counts > 0) for sums in (confidence, right)
        )
        there = counts > 0
        if not there.any():
            return float("nan"), np.stack([counts, confidence, right])
        gaps = np.abs(right - confidence)[there]
        error = float((counts[there] * gaps).sum() / counts.sum())
        return error, np.stack([counts, confidence, right])
