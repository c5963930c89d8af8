"""``drepano compare`` and ``drepano learning-curve``"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from drepano.cli.console import err, listed, out, say, stage_progress

if TYPE_CHECKING:
    from drepano.datasets import FieldDataset
    from drepano.experiments.plan import Job, Plan
    from drepano.experiments.splits import FieldInfo, Splits
    from drepano.methods import Budget
    from drepano.taxonomy import Taxonomy

_PAPER = "dunet,unet,pspnet,deeplabv3plus,region-growing,pixel-forest"
_METHODS = (
    "Separated by commas. The paper's: dunet, unet, pspnet, deeplabv3plus, region-growing, pixel-forest "
    "(ilastik's features). Controls: unet-width-10, unet-width-32, dunet-scope-0, dunet-frozen, dynunet. "
    "With your own project: ilastik. With weights to download: pspnet-imagenet, deeplabv3plus-imagenet. "
    "dU-Net changed in one thing: dunet-scope-1, dunet-scope-4, dunet-scope-7, dunet-width-16, "
    "dunet-contrast-kept, dunet-cross-entropy, dunet-weighted-cross-entropy, dunet-unaugmented, "
    "dunet-touching-20, dunet-full-rate (of the shifts)."
)
_SIZES = "10,20,40,80,160,250"

Data = Annotated[Path, typer.Argument(help="Folder of a data set with class and instance maps.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for plan, jobs, tables, figures and report.")]
Binary = Annotated[bool, typer.Option("--binary", help="All classes of cells as one.")]
Group = Annotated[
    str, typer.Option(help="field: at random over fields (the paper); patient: whole patients held out.")
]
Seeds = Annotated[str, typer.Option(help="Seeds of training, separated by commas.")]
OneSeed = Annotated[str, typer.Option(help="Methods that get the first seed only, separated by commas.")]
Preset = Annotated[
    str,
    typer.Option(
        help="Settings of every network's training: default, or paper (cross-entropy alone, a constant rate "
        "of 0.001, of offsets too, no augmentation, contrast kept)."
    ),
]
Steps = Annotated[int | None, typer.Option(help="Optimiser steps of every network (2000; paper: 20000).")]
BatchSize = Annotated[int | None, typer.Option(help="Crops a step (4; paper: 2).")]
CropSize = Annotated[int | None, typer.Option(help="Side of the square crops, px (256; paper: 512).")]
ValidateEvery = Annotated[
    int | None, typer.Option(help="Steps between looks at the inner validation fields (100).")
]
TouchingWeight = Annotated[
    float | None,
    typer.Option(help="Weight in the loss of the background where two cells meet, 1 to 100 (1)."),
]
IlastikProject = Annotated[Path | None, typer.Option(help="Project (.ilp) for the method ilastik.")]
Processes = Annotated[int, typer.Option("--jobs", min=1, help="Trainings at a time.")]


def compare(
    data: Data,
    folder: Out,
    methods: Annotated[str, typer.Option(help=_METHODS)] = _PAPER,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the cross-validation.")] = 5,
    group: Group = "field",
    binary: Binary = False,
    seeds: Seeds = "0",
    one_seed: OneSeed = "",
    preset: Preset = "default",
    steps: Steps = None,
    batch_size: BatchSize = None,
    crop_size: CropSize = None,
    validate_every: ValidateEvery = None,
    touching_weight: TouchingWeight = None,
    crops: Annotated[
        Path | None, typer.Option(help="Folder of xu2017: classify the test patients' single crops too.")
    ] = None,
    ilastik_project: IlastikProject = None,
    processes: Processes = 1,
) -> None:
    """Cross-validate methods on the same folds, seeds, budget: Tables I to IV, Figures 5 and 6 of the paper.

    Killed and started again with the same arguments it goes on where it was; methods and seeds can be added.
    """
    from drepano.errors import DrepanoError
    from drepano.experiments.splits import check_group, cross_validation
    from drepano.reports.experiment import write_comparison

    check_group(group)
    if crops is not None and (binary or group != "patient"):
        raise DrepanoError(
            "--crops: the class of single crops can be told of patients not trained on: use --group patient, "
            "without --binary"
        )
    budget = _budget(preset, steps, batch_size, crop_size, validate_every, touching_weight)
    names = _methods(methods, budget, ilastik_project)
    numbers = _seeds(seeds)
    once = _known("--one-seed", listed(one_seed))
    if set(once) - set(names):
        say("note", f"--one-seed {one_seed}: {', '.join(sorted(set(once) - set(names)))} not among --methods")
    dataset, taxonomy = _open(data, binary)
    names = _fit_for(names, taxonomy)
    plan = _plan(
        "compare",
        dataset,
        taxonomy,
        folder,
        budget,
        lambda infos, classes: cross_validation(infos, folds, group, classes, seed=0),
        crops,
    )
    jobs = plan.jobs(names, numbers, once)
    failed = _run(folder, jobs, processes, crops=crops, ilastik_project=ilastik_project)
    _finish(failed, write_comparison, folder, jobs)


def learning_curve(
    data: Data,
    folder: Out = Path("learning-curve"),
    methods: Annotated[str, typer.Option(help="Separated by commas; as of `compare`.")] = "dunet,unet",
    sizes: Annotated[str, typer.Option(help="Numbers of training fields, separated by commas.")] = _SIZES,
    test: Annotated[
        int,
        typer.Option(
            min=1,
            help="Test fields, the same for all sizes; of patients held out, at most so many a fold.",
        ),
    ] = 64,
    group: Group = "field",
    binary: Binary = False,
    seeds: Seeds = "0",
    preset: Preset = "default",
    steps: Steps = None,
    batch_size: BatchSize = None,
    crop_size: CropSize = None,
    validate_every: ValidateEvery = None,
    touching_weight: TouchingWeight = None,
    ilastik_project: IlastikProject = None,
    processes: Processes = 1,
) -> None:
    """Dice against the number of training fields, always on the same test fields: the paper's Figure 7."""
    from drepano.experiments.splits import check_group
    from drepano.experiments.splits import learning_curve as split
    from drepano.reports.experiment import write_learning_curve

    check_group(group)
    budget = _budget(preset, steps, batch_size, crop_size, validate_every, touching_weight)
    names = _methods(methods, budget, ilastik_project)
    numbers, counts = _seeds(seeds), _numbers("--sizes", sizes, least=1)
    dataset, taxonomy = _open(data, binary)
    names = _fit_for(names, taxonomy)
    plan = _plan(
        "learning-curve",
        dataset,
        taxonomy,
        folder,
        budget,
        lambda infos, classes: split(infos, counts, test, group, classes, seed=0),
    )
    jobs = plan.jobs(names, numbers, ())
    failed = _run(folder, jobs, processes, ilastik_project=ilastik_project)
    _finish(failed, write_learning_curve, folder, jobs)


def _budget(
    preset: str,
    steps: int | None,
    batch_size: int | None,
    crop_size: int | None,
    validate_every: int | None,
    touching_weight: float | None,
) -> Budget:
    """What is not given is the preset's."""
    from drepano.methods import Budget
    from drepano.training import make_config

    options: dict[str, Any] = {
        "steps": steps,
        "batch_size": batch_size,
        "crop_size": crop_size,
        "validate_every": validate_every,
        "touching_weight": touching_weight,
    }
    config = make_config(preset, **{name: value for name, value in options.items() if value is not None})
    return Budget(**{name: getattr(config, name) for name in options}, preset=preset)


def _plan(
    kind: str,
    dataset: FieldDataset,
    taxonomy: Taxonomy,
    folder: Path,
    budget: Budget,
    split: Callable[[Sequence[FieldInfo], Sequence[str]], Splits],
    crops: Path | None = None,
) -> Plan:
    """The experiment begun; its splits, and what is special about them, are said."""
    from drepano.experiments.begin import begin_experiment
    from drepano.reports.wording import plural

    singles = None if crops is None else _crops(crops, [source.patient for source in dataset.sources])
    with stage_progress() as progress:
        plan = begin_experiment(folder, kind, dataset, taxonomy, budget, split, singles, progress)
    for part in plan.splits:
        training, test = plural(len(part.training), "training field"), plural(len(part.test), "test field")
        out.print(f"{part.name}: {training}, {test}")
    for note in plan.notes:
        say("note", note)
    return plan


def _crops(folder: Path, patients: Sequence[str | None]) -> FieldDataset:
    """The single crops; they can be told of patients not trained on only."""
    from drepano.datasets import is_xu2017, open_dataset
    from drepano.errors import DrepanoError

    if not is_xu2017(folder):
        raise DrepanoError(f"--crops {folder}: is no folder of xu2017, the data set of single crops")
    singles = open_dataset(folder)
    known = {source.patient for source in singles.sources}
    missing = sorted({patient or "fields without a patient" for patient in patients} - known)
    if missing or len(set(patients)) < 2:
        reason = f"has no crops of {missing[0]}" if missing else "there is only one patient in the fields"
        raise DrepanoError(f"--crops {folder}: {reason}; leave it out, or give fields of the crops' patients")
    return singles


def _open(data: Path, binary: bool) -> tuple[FieldDataset, Taxonomy]:
    """The data set, and the classes that methods are to tell apart."""
    from drepano.datasets import open_dataset
    from drepano.taxonomy import BINARY

    dataset = open_dataset(data)
    return dataset, BINARY if binary else dataset.taxonomy


def _fit_for(names: list[str], taxonomy: Taxonomy) -> list[str]:
    """Without methods that cannot tell so many classes."""
    from drepano.errors import DrepanoError

    if "region-growing" not in names or len(taxonomy) == 2:
        return names
    if names == ["region-growing"]:
        raise DrepanoError("region growing tells cells from background only: add --binary")
    say("note", "region growing tells cells from background only: left out without --binary")
    return [name for name in names if name != "region-growing"]


def _run(folder: Path, jobs: Sequence[Job], processes: int, **options: Any) -> list[Job]:
    """Those that failed."""
    from drepano.experiments.jobs import ELSEWHERE, run_jobs

    waiting = sum(not job.is_done(folder) for job in jobs)
    out.print(f"{len(jobs)} jobs, {len(jobs) - waiting} done already")
    ended = 0

    def done(job: Job, reason: str | None) -> None:
        nonlocal ended, waiting
        name = f"{job.method}, {job.split}, seed {job.seed}"
        if reason == ELSEWHERE:
            waiting -= 1
            say("note", f"{name}: {reason}")
            progress("jobs", ended, waiting)
            return
        ended += 1
        if reason is None:
            err.print(f"{ended} of {waiting}: {name}")
        else:
            say("failed", f"{name}: {reason}")
        progress("jobs", ended, waiting)

    with stage_progress() as progress:
        if waiting:
            progress("jobs", 0, waiting)
        return run_jobs(folder, jobs, processes, done, progress=progress, **options)


def _finish(
    failed: Sequence[Job], write: Callable[[Path, Sequence[Job]], Path], folder: Path, jobs: Sequence[Job]
) -> None:
    from drepano.experiments.plan import EXPERIMENT_LOCK, finished_jobs
    from drepano.io import hold
    from drepano.reports.wording import plural

    with hold(folder / EXPERIMENT_LOCK):  # whoever writes last knows of all
        finished = finished_jobs(folder)
        page = write(folder, jobs) if set(jobs) & set(finished) else None
    asked = set(jobs)
    others = [
        f"{name}, seed {seed}"
        for name, seed in dict.fromkeys((job.method, job.seed) for job in finished if job not in asked)
    ]
    if others:
        say("note", f"not asked for, and so on no page: {'; '.join(others)}; what they have is kept")
    if page is not None:
        out.print(f"wrote {page}")
    left = asked - set(finished)
    if left & set(failed):
        count = plural(len(left & set(failed)), "job")
        err.print(f"{count} failed; mend what is said above, and run the same command again")
    if left - set(failed):
        count = plural(len(left - set(failed)), "job")
        err.print(f"{count} left to another run, not done yet; run the same command again when it has ended")
    if left:
        raise typer.Exit(1)


def _known(option: str, names: list[str]) -> list[str]:
    """The names, if all are methods'."""
    from drepano.errors import DrepanoError
    from drepano.methods import METHODS

    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise DrepanoError(
            f"{option}: no method is called {', '.join(unknown)}; use some of {', '.join(METHODS)}"
        )
    return names


def _methods(text: str, budget: Budget, ilastik_project: Path | None) -> list[str]:
    """Names of methods; what cannot be made is said before anything is trained."""
    from drepano.errors import DrepanoError
    from drepano.methods import METHODS, create_method, download_notices

    names = list(dict.fromkeys(_known("--methods", listed(text))))
    if not names:
        raise DrepanoError(f"--methods {text}: use some of {', '.join(METHODS)}")
    if ilastik_project is not None and "ilastik" not in names:
        raise DrepanoError(f"--ilastik-project {ilastik_project}: add ilastik to --methods, or leave it out")
    for name in names:
        create_method(name, budget, ilastik_project)
    for notice in download_notices(names):
        say("note", notice)
    return names


def _numbers(option: str, text: str, least: int) -> list[int]:
    from drepano.errors import DrepanoError

    try:
        numbers = list(dict.fromkeys(int(part) for part in listed(text)))
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < least:
        raise DrepanoError(f"{option} {text!r}: give whole numbers from {least} on, separated by commas")
    return numbers


def _seeds(text: str) -> list[int]:
    from drepano.errors import DrepanoError

    numbers = _numbers("--seeds", text, least=0)
    if max(numbers) >= 2**32:
        raise DrepanoError(f"--seeds {text!r}: give whole numbers from 0 to {2**32 - 1}")
    return numbers
