"""Images and label maps in and out."""

from drepano.io.digests import file_digest, image_digest
from drepano.io.files import (
    OutputError,
    atomic_path,
    ensure_writable_folder,
    remove_file,
    storable,
    without_nan,
    write_bytes,
    write_json,
    write_text,
)
from drepano.io.images import (
    find_images,
    list_planes,
    pixel_size,
    read_image,
    to_rgb8,
)
from drepano.io.labels import (
    LOSSY_SUFFIXES,
    LabelValues,
    format_value,
    map_values,
    parse_value,
    read_label_values,
    write_class_map,
    write_label_map,
)
from drepano.io.lock import hold
from drepano.io.raster import IMAGE_SUFFIXES, MAX_PIXELS, Plane

__all__ = [
    "IMAGE_SUFFIXES",
    "LOSSY_SUFFIXES",
    "MAX_PIXELS",
    "LabelValues",
    "OutputError",
    "Plane",
    "atomic_path",
    "ensure_writable_folder",
    "file_digest",
    "find_images",
    "format_value",
    "hold",
    "image_digest",
    "list_planes",
    "map_values",
    "parse_value",
    "pixel_size",
    "read_image",
    "read_label_values",
    "remove_file",
    "storable",
    "to_rgb8",
    "without_nan",
    "write_bytes",
    "write_class_map",
    "write_json",
    "write_label_map",
    "write_text",
]
