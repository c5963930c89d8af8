"""The figures of the paper's tables, to stand beside ours (Zhang, Li, Xu, Li 2019; 314 fields, 5 folds).

They come from other fields than ours: only the order of the methods can be compared.
"""

from __future__ import annotations

_ILASTIK = {"dice": (0.652, 0.004), "jaccard": (0.486, 0.003), "hausdorff": (110.133, 5.013)}

BINARY_OVERLAP: dict[str, dict[str, tuple[float, float]]] = {
    "dunet": {"dice": (0.965, 0.002), "jaccard": (0.933, 0.002), "hausdorff": (30.453, 4.693)},
    "deeplabv3plus": {"dice": (0.964, 0.001), "jaccard": (0.932, 0.002), "hausdorff": (41.149, 6.833)},
    "pspnet": {"dice": (0.952, 0.002), "jaccard": (0.908, 0.004), "hausdorff": (35.077, 2.755)},
    "unet": {"dice": (0.960, 0.001), "jaccard": (0.923, 0.003), "hausdorff": (36.918, 5.853)},
    "region-growing": {"dice": (0.663, 0.009), "jaccard": (0.500, 0.009), "hausdorff": (123.150, 3.578)},
    "pixel-forest": _ILASTIK,
    "ilastik": _ILASTIK,
}
"""Table I: mean and standard deviation over folds; the paper's ilastik stands beside both of ours."""

MULTI_CLASS_OVERLAP: dict[str, dict[str, tuple[tuple[float, float], ...]]] = {
    "dice": {
        "unet": (
            (0.996, 0.001),
            (0.867, 0.010),
            (0.547, 0.047),
            (0.469, 0.058),
            (0.620, 0.040),
            (0.700, 0.012),
        ),
        "pspnet": (
            (0.996, 0.001),
            (0.858, 0.016),
            (0.591, 0.045),
            (0.496, 0.054),
            (0.649, 0.011),
            (0.720, 0.010),
        ),
        "deeplabv3plus": (
            (0.997, 0.000),
            (0.873, 0.008),
            (0.569, 0.038),
            (0.514, 0.031),
            (0.615, 0.025),
            (0.714, 0.005),
        ),
        "dunet": (
            (0.997, 0.001),
            (0.880, 0.007),
            (0.652, 0.045),
            (0.515, 0.088),
            (0.657, 0.032),
            (0.740, 0.016),
        ),
    },
    "jaccard": {
        "unet": (
            (0.993, 0.001),
            (0.773, 0.015),
            (0.426, 0.040),
            (0.396, 0.037),
            (0.507, 0.040),
            (0.619, 0.012),
        ),
        "pspnet": (
            (0.991, 0.002),
            (0.759, 0.023),
            (0.470, 0.045),
            (0.413, 0.056),
            (0.537, 0.016),
            (0.637, 0.010),
        ),
        "deeplabv3plus": (
            (0.994, 0.000),
            (0.782, 0.012),
            (0.443, 0.029),
            (0.429, 0.031),
            (0.502, 0.024),
            (0.630, 0.005),
        ),
        "dunet": (
            (0.993, 0.001),
            (0.791, 0.010),
            (0.536, 0.039),
            (0.446, 0.060),
            (0.551, 0.031),
            (0.664, 0.011),
        ),
    },
    "hausdorff": {
        "unet": (
            (8.511, 0.626),
            (90.895, 3.329),
            (172.621, 18.000),
            (150.007, 18.336),
            (150.934, 8.530),
            (112.238, 8.744),
        ),
        "pspnet": (
            (7.744, 0.712),
            (87.287, 2.899),
            (153.079, 20.213),
            (131.534, 18.880),
            (131.089, 16.236),
            (100.917, 5.514),
        ),
        "deeplabv3plus": (
            (7.456, 0.324),
            (91.408, 4.881),
            (175.874, 19.370),
            (124.704, 17.493),
            (145.161, 14.071),
            (108.921, 8.458),
        ),
        "dunet": (
            (8.303, 0.835),
            (85.907, 1.861),
            (152.595, 17.132),
            (128.222, 17.112),
            (142.383, 9.444),
            (100.250, 7.867),
        ),
    },
}
"""Table III: mean and standard deviation over folds of background, the four classes of cells, average."""

CELL_ERRORS: dict[str, tuple[tuple[float, float], ...]] = {
    "unet": ((50.0, 8.1), (20.0, 9.1), (29.8, 12.2)),
    "dunet": ((31.8, 3.6), (6.0, 2.1), (13.4, 2.4)),
}
"""Tables II and IV, which are the same: errors I, II, III a fold, counted by hand."""
