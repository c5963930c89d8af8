"""A user's own data set: a folder of images and label maps with a ``dataset.toml`` that names the classes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Setting
from skimage.measure import label
from skimage.segmentation import relabel_sequential

from drepano.datasets.dataset import FieldDataset, FieldSource
from drepano.datasets.paper_fields import prepare_paper_field
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.io import (
    IMAGE_SUFFIXES,
    LOSSY_SUFFIXES,
    map_values,
    parse_value,
    pixel_size,
    read_image,
    read_label_values,
    storable,
)
from drepano.taxonomy import BACKGROUND, BINARY, MERGED_CLASS, SCD, Taxonomy, from_classes

CONFIG_NAME = "dataset.toml"

_MEAN_OF_CLASSES = "average"
"""So results call it."""
_OF_MARKDOWN = "|<>*`"
"""What tables of results are written with."""
_KNOWN = {name.casefold(): name for name in (BACKGROUND, *MERGED_CLASS, *SCD.cell_classes)}

EXAMPLE = """\
name = "my fields"
licence = "not published"
images = "images"
labels = "labels"            # class maps with the same file names; leave out if there are none
# instances = "instances"    # maps in which every cell has its own number; leave out if there are none
# patient = "^(P[0-9]+)_"    # regular expression: the patient is what the brackets find in the file name
cell_diameter = 45           # of a typical cell, px
# preparation = "paper"      # remove blank left and right margins, resize to 512 x 512

[classes]                    # what the values in the label maps mean; colours are written "#RRGGBB"
0 = "background"
255 = "cell"
"""


class FolderConfig(BaseModel):
    """What ``dataset.toml`` says; see `EXAMPLE`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    licence: str = "none stated"
    origin: str = ""
    images: str = "images"
    labels: str | None = None
    instances: str | None = None
    patient: str | None = None
    cell_diameter: float = Setting(default=45.0, ge=1, le=5000, strict=True, allow_inf_nan=False)
    preparation: Literal["none", "paper"] = "none"
    classes: dict[str, str] = {}


def is_folder_dataset(folder: Path) -> bool:
    """Whether `folder` has a ``dataset.toml``."""
    return (folder / CONFIG_NAME).is_file()


def open_folder(folder: Path) -> FieldDataset:
    """The data set that ``dataset.toml`` in `folder` describes.

    Class names of the eight categories are merged into the paper's four where all names are of these twelve
    and two or more are named, in capitals or not. Cells are told apart before: without instance maps what
    touches and has one name is one. With instance maps and no class maps every cell is a "cell".

    Raises
    ------
    DrepanoError
        If the file is not valid.
    """
    config = _read_config(folder / CONFIG_NAME)
    names, taxonomy = _read_classes(config, folder / CONFIG_NAME)
    sources, problems = _find_sources(folder, config)
    unread = _describe_subfolders(folder, config)

    def load(source: FieldSource) -> Field:
        return _load(source, names, taxonomy, config.preparation == "paper")

    return FieldDataset(
        name=config.name,
        taxonomy=taxonomy,
        sources=tuple(sources),
        load=load,
        licence=config.licence,
        cell_diameter=config.cell_diameter,
        origin=config.origin,
        problems=tuple(problems if sources else [*problems, *unread]),
        left_out=tuple(unread if sources else []),
    )


def _read_config(path: Path) -> FolderConfig:
    try:
        return FolderConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DrepanoError(f"{path}: not valid TOML ({error}); correct that line") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        meant = get_close_matches(name, FolderConfig.model_fields, 1)
        if first["type"] == "extra_forbidden":
            reason = "there is no such setting" + (f"; did you mean {meant[0]}?" if meant else "")
        else:
            reason = first["msg"]
        raise DrepanoError(
            f"{path}: setting {name}: {reason}; drepano data example prints one that is right"
        ) from error


def _read_classes(config: FolderConfig, path: Path) -> tuple[dict[str, str], Taxonomy]:
    """The name of every value in the label maps, and the taxonomy that has these or what they merge into."""
    if config.labels is None:
        return {}, BINARY
    if not config.classes:
        raise DrepanoError(
            f'{path}: has labels but no [classes]; write one line a value, for instance 255 = "cell"'
        )
    spellings: dict[tuple[int, bool], str] = {}
    for value, name in config.classes.items():
        try:
            first = spellings.setdefault(parse_value(value), value)
        except DrepanoError as error:
            raise DrepanoError(f"{path}: [classes]: {error}") from error
        if config.classes[first] != name:
            raise DrepanoError(f"{path}: [classes]: {first} and {value} are one value; give it one class")
        if name.strip().casefold() == _MEAN_OF_CLASSES or set(name) & set(_OF_MARKDOWN):
            raise DrepanoError(
                f"{path}: [classes]: {name!r} cannot be a name in tables of results; use another one, "
                f"without {' '.join(_OF_MARKDOWN)}"
            )
    of_values = {value: _KNOWN.get(name.strip().casefold(), name) for value, name in config.classes.items()}
    names = list(dict.fromkeys(of_values.values()))
    if BACKGROUND not in names:
        raise DrepanoError(f'{path}: [classes] names no background; write for instance 0 = "{BACKGROUND}"')
    if len(names) < 2:
        raise DrepanoError(f'{path}: [classes] names no class of cells; write for instance 255 = "cell"')
    _check_spelling(names, path)
    if len(names) > 2 and set(_KNOWN.values()).issuperset(names):
        return of_values, SCD
    return of_values, from_classes([BACKGROUND, *(name for name in names if name != BACKGROUND)])


def _check_spelling(names: Sequence[str], path: Path) -> None:
    """Refuse what is nearly one of the twelve names beside others, and would undo the merging."""
    cells = [name for name in names if name != BACKGROUND]
    nearest = {name: get_close_matches(name.casefold(), _KNOWN, 1, 0.8) for name in cells}
    alike = {name: _KNOWN[found[0]] for name, found in nearest.items() if found}
    for name, meant in alike.items():
        if name != meant and len(alike) > 1:
            raise DrepanoError(
                f"{path}: [classes]: {name!r} is none of the eight categories, which are merged into four "
                f"where no other class is named; write {meant!r}, or a name that is less like it"
            )


def _find_sources(folder: Path, config: FolderConfig) -> tuple[list[FieldSource], list[str]]:
    """Fields whose files are all there, and what is wrong with the others."""
    images, problems = _files_by_stem(folder / config.images)
    maps: dict[str, dict[str, Path]] = {}
    for kind, name in (("labels", config.labels), ("instances", config.instances)):
        if name is None:
            continue
        files, doubles = _files_by_stem(folder / name)
        maps[kind] = files
        problems += doubles
        problems += [
            f"{images[stem]}: has no file of the same name in {name}; add it or remove the image"
            for stem in images.keys() - files.keys()
        ]
        problems += [
            f"{files[stem]}: has no image of the same name in {config.images}; add it or remove the map"
            for stem in files.keys() - images.keys()
        ]
    sources = []
    for stem, image in images.items():
        if not all(stem in files for files in maps.values()):
            continue
        patient = _patient(stem, config.patient, folder / CONFIG_NAME)
        if config.patient is not None and patient is None:
            problems.append(
                f"{image}: the pattern {config.patient!r} in {CONFIG_NAME} finds no patient in its name; "
                "correct one of them"
            )
            continue
        labels, instances = (maps[kind][stem] if kind in maps else None for kind in ("labels", "instances"))
        sources.append(FieldSource(stem, image, labels, instances, patient))
    return sources, sorted(problems)


def _files_by_stem(folder: Path) -> tuple[dict[str, Path], list[str]]:
    if not folder.is_dir():
        raise DrepanoError(f"{folder}: named in {CONFIG_NAME} but not a folder; correct its name there")
    files: dict[str, Path] = {}
    problems = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if storable(path.name) != path.name:
            problems.append(f"{storable(str(path))}: its name has a line break or is not UTF-8; rename it")
        elif path.stem in files:
            problems.append(f"{path}: {files[path.stem].name} has the same name; rename one of them")
        else:
            files[path.stem] = path
    return files, problems


def _describe_subfolders(folder: Path, config: FolderConfig) -> list[str]:
    """Images that are not read, since their names could not be told apart."""
    maps = {folder / name for name in (config.labels, config.instances) if name is not None}
    images = folder / config.images
    within = sorted(
        path
        for path in images.glob("*/*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.parent not in maps
        and not any(part.startswith(".") for part in path.relative_to(images).parts)
    )
    if not within:
        return []
    return [
        f"{images}: {len(within)} images in {len({path.parent for path in within})} subfolders are not read; "
        "put them into the folder itself, with the subfolder in the name where it is the patient "
        f"({within[0].parent.name}_{within[0].name}), and their maps likewise"
    ]


def _patient(stem: str, pattern: str | None, where: Path) -> str | None:
    """What the brackets of `pattern` find in a file's name; None where they find nothing."""
    if pattern is None:
        return None
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DrepanoError(f"{where}: patient {pattern!r} is not a regular expression ({error})") from error
    if expression.groups == 0:
        raise DrepanoError(
            f"{where}: patient {pattern!r} has no brackets; put them around the patient's part"
        )
    found = expression.search(stem)
    return None if found is None else found.group(1) or None


def _load(source: FieldSource, names: Mapping[str, str], taxonomy: Taxonomy, paper: bool) -> Field:
    image = read_image(source.image)
    classes = instances = None
    if source.labels is not None:
        distinct = list(dict.fromkeys([BACKGROUND, *names.values()]))
        numbers = {value: distinct.index(name) for value, name in names.items()}
        named = map_values(read_label_values(source.labels), numbers, source.labels)
        classes = np.array([taxonomy.index(name) for name in distinct], np.uint8)[named]
        check_same_size(image, classes, source.image, source.labels)
    if source.instances is not None:
        if source.instances.suffix.lower() in LOSSY_SUFFIXES:
            raise DrepanoError(
                f"{source.instances}: JPEG blurs the numbers of cells; export the instance maps as PNG or "
                "TIFF"
            )
        instances = _numbered_cells(read_label_values(source.instances).values, source.instances)
        check_same_size(image, instances, source.image, source.instances)
        if classes is None:
            classes = (instances > 0).astype(np.uint8)
    elif source.labels is not None:
        instances = _regions_of_one_class(named)
    field = Field(
        source.id, image, classes, instances, patient=source.patient, pixel_size=pixel_size(source.image)
    )
    return prepare_paper_field(field) if paper else field


def _numbered_cells(values: NDArray[np.int64], path: Path) -> NDArray[np.int32]:
    """The numbers of an instance map; from 1 on without gaps where they are larger than 16 bits hold, as
    colours are."""
    if values.min(initial=0) < 0:
        raise DrepanoError(
            f"{path}: has negative numbers; give the background 0 and every cell a number from 1 on"
        )
    if values.max(initial=0) > np.iinfo(np.uint16).max:
        values = relabel_sequential(values)[0]
    return values.astype(np.int32)


def check_same_size(image: NDArray[np.uint8], other: NDArray, image_path: Path, other_path: Path) -> None:
    """Refuse a map that does not lie on its image.

    Raises
    ------
    DrepanoError
        If their heights or widths differ.
    """
    if image.shape[:2] != other.shape:
        raise DrepanoError(
            f"{other_path}: is {_size(other.shape)} but {image_path.name} is {_size(image.shape)} "
            "(width x height); export it again at the image's size"
        )


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]} x {shape[0]}"


def _regions_of_one_class(classes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """4-connected regions of equal class, numbered from 1: the best guess where no instance map is given."""
    regions: NDArray[np.int32] = label(classes, background=0, connectivity=1).astype(np.int32)
    return regions
