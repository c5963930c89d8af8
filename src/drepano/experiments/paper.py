"""The figures of the paper's tables, to stand beside ours (Zhang, Li, Xu, Li 2019; 314 fields, 5 folds).

They come from other fields than ours: only the order of the methods can be compared.
"""

from __future__ import annotations

BINARY_OVERLAP: dict[str, dict[str, tuple[float, float]]] = {
    "dunet": {"dice": (0.965, 0.002), "jaccard": (0.933, 0.002), "hausdorff": (30.453, 4.693)},
    "deeplabv3plus": {"dice": (0.964, 0.001), "jaccard": (0.932, 0.002), "hausdorff": (41.149, 6.833)},
    "pspnet": {"dice": (0.952, 0.002), "jaccard": (0.908, 0.004), "hausdorff": (35.077, 2.755)},
    "unet": {"dice": (0.960, 0.001), "jaccard": (0.923, 0.003), "hausdorff": (36.918, 5.853)},
    "region-growing": {"dice": (0.663, 0.009), "jaccard": (0.500, 0.009), "hausdorff": (123.150, 3.578)},
    "pixel-forest": {"dice": (0.652, 0.004), "jaccard": (0.486, 0.003), "hausdorff": (110.133, 5.013)},
}
"""Table I: mean and standard deviation over folds; ilastik stands as the pixel forest."""

MULTI_CLASS_DICE: dict[str, tuple[float, ...]] = {
    "unet": (0.996, 0.867, 0.547, 0.469, 0.620, 0.700),
    "pspnet": (0.996, 0.858, 0.591, 0.496, 0.649, 0.720),
    "deeplabv3plus": (0.997, 0.873, 0.569, 0.514, 0.615, 0.714),
    "dunet": (0.997, 0.880, 0.652, 0.515, 0.657, 0.740),
}
"""Table III: background, the four classes of cells, average."""

CELL_ERRORS: dict[str, tuple[float, float, float]] = {
    "unet": (50.0, 20.0, 29.8),
    "dunet": (31.8, 6.0, 13.4),
}
"""Errors I, II, III a fold, counted by hand."""
