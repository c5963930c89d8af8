"""Fit a network on data sets and leave a run folder that explains and repeats itself."""

from __future__ import annotations

import json
import pickle
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from drepano.changes import first_change
from drepano.datasets import FieldDataset, field_facts, fingerprint
from drepano.devices import resolve_device
from drepano.errors import DrepanoError, first_line
from drepano.io import ensure_writable_folder, remove_file, write_text
from drepano.models import DataUse, ModelCard, create, load_network, save_model
from drepano.progress import Progress
from drepano.quality import ranges
from drepano.taxonomy import BINARY, Taxonomy
from drepano.training.config import TrainingConfig
from drepano.training.samples import PreparedField, prepare_field
from drepano.training.trainer import CHECKPOINT, import_lightning, run_trainer

WEIGHTS = "model.safetensors"
_CONFIG, VERSIONS, _FINGERPRINT = "config.json", "versions.json", "fingerprint.json"

_PACKAGES = (
    "drepano",
    "torch",
    "lightning",
    "monai",
    "numpy",
    "scipy",
    "scikit-image",
    "scikit-learn",
    "segmentation-models-pytorch",
)


def fit(
    datasets: Sequence[FieldDataset],
    config: TrainingConfig,
    run: Path,
    *,
    name: str = "model",
    binary: bool = False,
    start_from: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: Progress = lambda *_: None,
    optimise: Callable[..., None] = run_trainer,
) -> Path:
    """Train a network and write ``model.safetensors`` into the run folder.

    Parameters
    ----------
    datasets : sequence of FieldDataset
        Drawn from equally often, whatever their sizes.
    config : TrainingConfig
    run : Path
        Folder for configuration, versions, splits, metrics, checkpoints and the finished network.
    name : str
        Name on the model card.
    binary : bool
        Merge all classes of cells into one.
    start_from : Path, optional
        Weights file to begin with, for the layers that it has; a dU-Net begun from a U-Net is at first
        exactly that U-Net, because offset convolutions begin at zero.
    resume : bool
        Go on from the run's last checkpoint; the result has the same weights as an uninterrupted run.
    device : {"auto", "cpu", "cuda"}
    progress : callable
        As `Progress`: its last argument, the loss, needs a default.
    optimise : callable
        What trains the network in place, with the arguments of `run_trainer`.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    DrepanoError
        If the data cannot be trained on, the folder holds a run or other files, there is nothing to resume,
        the loss is no longer finite, or the device is not there.
    """
    taxonomy = common_taxonomy(datasets, binary)
    accelerator = {"cpu": "cpu", "cuda": "gpu"}[resolve_device(device)]
    architecture = {"name": config.network, "num_classes": len(taxonomy), **config.network_options}
    network = new_network(architecture, config.seed, start_from)
    ensure_writable_folder(run)
    _check_can_begin(run, resume)
    record = _describe(datasets, config, name, binary, start_from)
    if resume:
        _check_settings(run / _CONFIG, record)
    else:
        write_text(run / VERSIONS, json.dumps(versions(), indent=2))
        write_text(run / _CONFIG, json.dumps(record, indent=2))

    fields, fingerprints = read_fields(datasets, config, binary, progress)
    if not any((field.classes > 0).any() for group in fields for field in group):
        raise DrepanoError("no field has a labelled cell, so there is nothing to learn; label some")
    if resume:
        _check_fingerprints(run / _FINGERPRINT, fingerprints)
    weights = run / WEIGHTS
    if resume and weights.is_file():
        try:
            _, card = load_network(weights)
        except DrepanoError as error:
            raise _cannot_be_resumed(weights, "it is damaged") from error
        _finish(run, card)
        return weights

    splits = [inner_split(dataset, config) for dataset in datasets]
    write_text(run / "splits.json", json.dumps(_named_splits(datasets, splits), indent=2))
    write_text(run / _FINGERPRINT, json.dumps(fingerprints, indent=2))
    groups = [[fields[d][i] for i in training] for d, (training, _) in enumerate(splits)]
    validation_groups = [
        [fields[d][i] for i in held_out] for d, (_, held_out) in enumerate(splits) if held_out
    ]
    checkpoint = run / CHECKPOINT if resume else None
    optimise(network, config, taxonomy, groups, validation_groups, run, checkpoint, accelerator, progress)
    card = ModelCard(
        name=name,
        architecture=architecture,
        taxonomy=taxonomy.name,
        classes=list(taxonomy.classes),
        cell_diameter=config.cell_diameter,
        normalisation=config.normalisation,
        appearance=ranges(field.appearance for group in groups for field in group),
        training=record,
        data=[_data_use(dataset) for dataset in datasets],
        version=version("drepano"),
    )
    save_model(weights, network, card)
    _finish(run, card)
    return weights


def _finish(run: Path, card: ModelCard) -> None:
    """Leave what is to be read beside the weights, and nothing pickled, which is of no more use."""
    write_text(run / "card.json", card.model_dump_json(indent=2))
    remove_file(run / CHECKPOINT)
    with suppress(OSError):  # it was not there, or holds files that are not ours
        (run / CHECKPOINT.parent).rmdir()


def can_resume(run: Path) -> bool:
    """Whether the folder `run` holds a run that is finished or has a checkpoint to go on from."""
    return (run / CHECKPOINT).is_file() or (run / WEIGHTS).is_file()


def common_taxonomy(datasets: Sequence[FieldDataset], binary: bool) -> Taxonomy:
    """The classes of all data sets, or of cells as one.

    Raises
    ------
    DrepanoError
        If a data set has no fields, or classes differ.
    """
    if not datasets or not all(len(dataset) for dataset in datasets):
        raise DrepanoError("no fields to train on; give at least one data set with fields")
    if binary:
        return BINARY
    first = datasets[0]
    for dataset in datasets[1:]:
        if dataset.taxonomy.classes != first.taxonomy.classes:
            raise DrepanoError(
                f"data sets {first.name} and {dataset.name} have different classes "
                f"({', '.join(first.taxonomy.classes)}; {', '.join(dataset.taxonomy.classes)}); "
                "train on one of them, or merge all cells into one class with --binary"
            )
    return first.taxonomy


def _check_can_begin(run: Path, resume: bool) -> None:
    """A run that ended before its first checkpoint can only be begun again, one with a checkpoint resumed."""
    checkpoint = run / CHECKPOINT
    if not resume:
        if can_resume(run):
            raise DrepanoError(
                f"{run}: holds a run already; add --resume to go on with it, or name another folder"
            )
        others = sorted(path.name for path in run.iterdir() if not path.name.startswith("."))
        if others and VERSIONS not in others:
            raise DrepanoError(f"{run}: holds other files ({others[0]}) and no run; name a new folder")
    elif not can_resume(run):
        raise DrepanoError(f"{checkpoint}: there is no checkpoint to resume from; train without --resume")
    elif not (run / WEIGHTS).is_file():
        _check_readable(checkpoint)


def _check_readable(checkpoint: Path) -> None:
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # whose words advise to read the file unsafely
        raise _cannot_be_resumed(checkpoint, "it is damaged") from error
    except (OSError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise _cannot_be_resumed(checkpoint, first_line(error)) from error


def _cannot_be_resumed(path: Path, reason: str) -> DrepanoError:
    run = path.parent.parent if path.parent.name == CHECKPOINT.parent.name else path.parent
    return DrepanoError(
        f"{path}: the run cannot be resumed ({reason}); train anew in another folder, or delete {run}"
    )


def _read_begun(path: Path) -> Any:
    """What a run that is to be resumed has written into the file at `path`."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise _cannot_be_resumed(path, first_line(error)) from error


def new_network(architecture: dict[str, Any], seed: int, start_from: Path | None) -> nn.Module:
    """The network that `seed` draws, or with the weights of a file; all else is seeded too.

    Raises
    ------
    DrepanoError
        If the file is no weights file, or of another architecture.
    """
    lightning = import_lightning()
    lightning.seed_everything(seed, verbose=False)
    network = create(**architecture)
    if start_from is not None:
        _start_from(network, start_from)
    return network


def read_fields(
    datasets: Sequence[FieldDataset], config: TrainingConfig, binary: bool, progress: Progress
) -> tuple[list[list[PreparedField]], dict[str, Any]]:
    """All fields, prepared, a list a data set; and the fingerprint of each data set."""
    total = sum(len(dataset) for dataset in datasets)
    prepared: list[list[PreparedField]] = []
    fingerprints = {}
    done = 0
    for name, dataset in zip(_distinct_names(datasets), datasets, strict=True):
        prepared.append([])
        facts = []
        for field in dataset:
            scale = config.cell_diameter / dataset.cell_diameter
            prepared[-1].append(prepare_field(field, scale, binary, config.normalisation))
            facts.append(field_facts(field, dataset.taxonomy))
            done += 1
            progress("reading fields", done, total)
        fingerprints[name] = fingerprint(facts, dataset.taxonomy)
    return prepared, fingerprints


def inner_split(dataset: FieldDataset, config: TrainingConfig) -> tuple[list[int], list[int]]:
    """Indices of the fields to train on, and of those held out to watch, drawn at random with the seed."""
    order = np.random.default_rng(config.seed).permutation(len(dataset)).tolist()
    wanted = round(config.validation_share * len(dataset)) or int(config.validation_share > 0)
    held_out = min(wanted, len(dataset) - 1)
    return sorted(order[held_out:]), sorted(order[:held_out])


def _distinct_names(datasets: Sequence[FieldDataset]) -> list[str]:
    """Names of the data sets, numbered from the second of the same name on: "fields", "fields (2)"."""
    names: list[str] = []
    for index, dataset in enumerate(datasets):
        before = sum(earlier.name == dataset.name for earlier in datasets[:index])
        names.append(f"{dataset.name} ({before + 1})" if before else dataset.name)
    return names


def _check_settings(path: Path, record: dict[str, Any]) -> None:
    change = first_change(_read_begun(path), record)
    if change is not None:
        raise DrepanoError(
            f"{path.parent}: was begun with other settings or data ({change}); resume it with those of its "
            f"{path.name}, or train in another folder"
        )


def _check_fingerprints(path: Path, fingerprints: dict[str, Any]) -> None:
    if _read_begun(path) != fingerprints:
        raise DrepanoError(
            f"{path.parent}: was begun with other data; resume it with the fields it began with"
        )


def _named_splits(datasets: Sequence[FieldDataset], splits: Sequence[tuple[list[int], list[int]]]) -> Any:
    return {
        name: {
            part: [dataset.sources[i].id for i in indices]
            for part, indices in zip(("training", "validation"), split, strict=True)
        }
        for name, dataset, split in zip(_distinct_names(datasets), datasets, splits, strict=True)
    }


def _start_from(network: nn.Module, path: Path) -> None:
    """Copy all weights of the file at `path` into `network`, which may have offset convolutions besides."""
    state = load_network(path)[0].state_dict()
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise DrepanoError(
            f"{path}: {str(error).splitlines()[-1].strip()}; start from a network of this size"
        ) from error
    others = [key for key in missing if ".offset." not in key]
    if others or unexpected:
        raise DrepanoError(
            f"{path}: is of another architecture ({(others + unexpected)[0]}); start from another file"
        )


def _describe(
    datasets: Sequence[FieldDataset],
    config: TrainingConfig,
    name: str,
    binary: bool,
    start_from: Path | None,
) -> dict[str, Any]:
    return {
        **config.model_dump(),
        "name": name,
        "binary": binary,
        "start_from": None if start_from is None else start_from.name,
        "data": [
            {"name": dataset.name, "fields": len(dataset), "cell_diameter": dataset.cell_diameter}
            for dataset in datasets
        ],
    }


def _data_use(dataset: FieldDataset) -> DataUse:
    return DataUse(
        name=dataset.name,
        fields=len(dataset),
        licence=dataset.licence,
        origin=dataset.origin,
        patients=list(dataset.patients),
    )


def versions() -> dict[str, str]:
    """Versions of what a result depends on, where it is installed, the GPU, and the number of threads."""
    versions = {}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {"python": platform.python_version(), **versions, **gpu, "threads": str(torch.get_num_threads())}


def versions_of_run(run: Path) -> dict[str, str] | None:
    """`versions` where and when the run was begun; None if the folder holds no run."""
    path = run / VERSIONS
    return json.loads(path.read_text()) if path.is_file() else None
