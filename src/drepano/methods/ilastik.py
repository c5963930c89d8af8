"""The program ilastik itself, run without its window on a project that the user trained.

The project is one of pixel classification with as many labels as the taxonomy has classes, in the same order,
the background first. It must have been trained on images of the size that cells have here
(`FieldDataset.cell_diameter`) and of as many channels: grey images are handed over with one channel. It is
the same for every split, and whether it was labelled on test fields is not known here.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drepano.datasets import FieldDataset
from drepano.errors import DrepanoError
from drepano.field import Segmentation
from drepano.progress import Progress
from drepano.taxonomy import Taxonomy

EXECUTABLES = ("run_ilastik.sh", "ilastik")
"""What is looked for where no executable is named."""


@dataclass(frozen=True)
class Ilastik:
    """A project of ilastik.

    Parameters
    ----------
    project : Path
        The ``.ilp`` file. It is code to ilastik, which unpickles parts of it: use your own only.
    executable : str, optional
        Path or name of ilastik's start script; without it one of `EXECUTABLES` on the search path.
    """

    project: Path
    executable: str | None = None

    def find_program(self) -> str:
        """The start script, if it and the project are there.

        Raises
        ------
        DrepanoError
            If one of them is not.
        """
        if not self.project.is_file():
            raise DrepanoError(f"{self.project}: no such ilastik project; give the path of an .ilp file")
        return _find(self.executable)

    def fit(
        self, training: FieldDataset, taxonomy: Taxonomy, folder: Path, seed: int, progress: Progress
    ) -> TrainedIlastik:
        """Train nothing, since the user has; see `find_program` for what must be there."""
        executable = self.find_program()
        return TrainedIlastik(self.project.resolve(), executable, taxonomy, training.cell_diameter)


@dataclass(frozen=True)
class TrainedIlastik:
    """A project of ilastik and the program to run it with.

    Parameters
    ----------
    project : Path
    executable : str
    taxonomy : Taxonomy
        What the project's labels mean, in their order.
    cell_diameter : float
        Of a typical cell in the images to come, px.
    """

    project: Path
    executable: str
    taxonomy: Taxonomy
    cell_diameter: float

    def segment(self, image: NDArray[np.uint8]) -> Segmentation:
        """The probabilities that ilastik exports.

        Parameters
        ----------
        image : (H, W, 3) uint8 array

        Raises
        ------
        DrepanoError
            If ilastik cannot be run, fails, or has other labels than the taxonomy has classes.
        """
        with TemporaryDirectory() as folder:
            given, made = Path(folder) / "field.png", Path(folder) / "probabilities.npy"
            is_grey = (image == image[..., :1]).all()
            Image.fromarray(image[..., 0] if is_grey else image).save(given)
            self._run(given, made)
            probabilities = self._read(made, image.shape[:2])
        return Segmentation(
            classes=probabilities.argmax(0).astype(np.uint8),
            probabilities=probabilities,
            taxonomy=self.taxonomy,
            cell_diameter=self.cell_diameter,
        )

    def _run(self, given: Path, made: Path) -> None:
        command = [
            self.executable,
            "--headless",
            f"--project={self.project}",
            "--export_source=Probabilities",
            "--output_format=numpy",
            f"--output_filename_format={made}",
            "--output_axis_order=cyx",
            # A project remembers how its user exported last, perhaps as bytes.
            "--export_dtype=float32",
            "--pipeline_result_drange=(0.0,1.0)",
            "--export_drange=(0.0,1.0)",
            f"--raw_data={given}",
        ]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            raise DrepanoError(
                f"{self.executable}: cannot be run ({error.strerror}); "
                "put the start script of your ilastik on the PATH"
            ) from error
        if ended.returncode != 0 or not made.is_file():
            said = [line.strip() for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
            raise DrepanoError(
                f"{self.project}: ilastik made no probabilities ({said[-1] if said else 'it said nothing'}); "
                "open the project in ilastik and try its export on one field"
            )

    def _read(self, made: Path, size: tuple[int, ...]) -> NDArray[np.float32]:
        """(K, H, W) float32."""
        expected = (len(self.taxonomy), *size)
        try:
            probabilities = np.load(made, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise DrepanoError(
                f"{self.project}: ilastik's export is no array of numbers ({error}); update ilastik"
            ) from error
        if probabilities.shape[1:] == size and len(probabilities) != len(self.taxonomy):
            raise DrepanoError(
                f"{self.project}: has {len(probabilities)} labels, but there are {expected[0]} classes "
                f"({', '.join(self.taxonomy.classes)}); label all of them in ilastik, in this order"
            )
        if probabilities.shape != expected:
            raise DrepanoError(
                f"{self.project}: ilastik's export has shape {probabilities.shape}, expected {expected}; "
                "take a project of pixel classification in 2D"
            )
        total = probabilities.sum(0, dtype=np.float64)
        if not (probabilities.min() >= 0 and np.abs(total - 1).max() < 0.01):
            raise DrepanoError(
                f"{self.project}: what ilastik exported does not add up to 1 at every pixel; "
                "take a project of pixel classification"
            )
        normalised: NDArray[np.float32] = (probabilities / total).astype(np.float32)
        return normalised


def _find(executable: str | None) -> str:
    wanted = EXECUTABLES if executable is None else (executable,)
    for name in wanted:
        found = shutil.which(name)
        if found is not None:
            return str(Path(found).absolute())
    raise DrepanoError(
        f"ilastik is not installed: no {' or '.join(wanted)} can be run; "
        "install it from ilastik.org and put its folder on the PATH"
    )
