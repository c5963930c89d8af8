"""The paper's fields: blank margins go, 512 x 512 remain, and the labels stay on the cells."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from drepano.datasets import open_dataset
from drepano.datasets.paper_fields import SIZE, prepare_paper_field
from drepano.errors import DrepanoError
from drepano.field import Field
from drepano.margins import blank_margins
from drepano.taxonomy import CATEGORIES, MERGED_CLASS, SCD

HEIGHT, WIDTH = 1080, 1920
LEFT, RIGHT = 243, 1688
"""The first column of the picture, and the first one after it; no multiples of JPEG's blocks."""


def a_field(bar, left=LEFT, right=RIGHT, seed=0):
    """Dark discs on a noisy grey field between bars of one colour, and which of eight categories each is."""
    rng = np.random.default_rng(seed)
    grey = 150 + rng.normal(0, 3, (HEIGHT, WIDTH))
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for index in range(40):
        y, x = rng.integers(0, HEIGHT), rng.integers(left, right)
        rows, columns = slice(max(y - 50, 0), y + 50), slice(max(x - 50, 0), x + 50)
        yy, xx = np.mgrid[rows.start : min(rows.stop, HEIGHT), columns.start : min(columns.stop, WIDTH)]
        disc = np.hypot(yy - y, xx - x) < 45
        grey[rows, columns][disc] = 80
        labels[rows, columns][disc] = 1 + index % 8
    for margin in (np.s_[:, :left], np.s_[:, right:]):
        grey[margin], labels[margin] = bar, 0
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), labels


def as_jpeg(image, quality=75):
    file = BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("bar", [0, 255])
def test_blank_margins_are_found_exactly(bar):
    image, _ = a_field(bar)
    assert blank_margins(image) == (LEFT, WIDTH - RIGHT)


@pytest.mark.parametrize("bar", [0, 255])
@pytest.mark.parametrize("quality", [95, 75, 50])
@pytest.mark.parametrize(("left", "right"), [(LEFT, RIGHT), (255, 1665)])
def test_margins_that_compression_smeared_are_found_to_within_a_few_px(bar, quality, left, right):
    image, _ = a_field(bar, left, right)
    found = blank_margins(as_jpeg(image, quality))
    assert abs(found[0] - left) <= 4 and abs(WIDTH - found[1] - right) <= 4


def test_an_image_without_margins_keeps_every_column():
    image, _ = a_field(0, left=0, right=WIDTH)
    assert blank_margins(image) == (0, 0)


def test_a_margin_on_one_side_only():
    image, _ = a_field(0, right=WIDTH)
    assert blank_margins(image) == (LEFT, 0)


@pytest.mark.parametrize("grey", [0, 150, 255])
def test_a_field_that_is_blank_all_over_is_refused_by_name(grey):
    blank = np.full((54, 96, 3), grey, np.uint8)
    with pytest.raises(DrepanoError, match="P1_7: is blank from left to right") as error:
        prepare_paper_field(Field("P1_7", blank))
    assert "\n" not in str(error.value)


def test_image_and_maps_become_512_x_512_and_stay_aligned():
    image, labels = a_field(255)
    instances = labels.astype(np.int32) * 1000
    field = prepare_paper_field(
        Field("a", as_jpeg(image), (labels > 0).astype(np.uint8), instances, patient="P1", pixel_size=0.1)
    )
    assert field.image.shape == (SIZE, SIZE, 3) and field.image.dtype == np.uint8
    assert field.classes.shape == field.instances.shape == (SIZE, SIZE)
    assert (field.classes.dtype, field.instances.dtype) == (np.uint8, np.int32)
    assert set(np.unique(field.instances)) <= set(np.unique(instances))
    assert (field.id, field.patient) == ("a", "P1")
    assert field.pixel_size is None  # no longer square
    assert all(abs(a - b) <= 4 for a, b in zip(field.margins, (LEFT, WIDTH - RIGHT), strict=True))
    dark = field.image[..., 0] < 115
    assert (dark == (field.classes > 0)).mean() > 0.99
    assert ((field.classes > 0) == (field.instances > 0)).all()


def test_shares_of_the_field_are_kept():
    image, labels = a_field(0)
    field = prepare_paper_field(Field("a", image, (labels > 0).astype(np.uint8)))
    assert field.classes.mean() == pytest.approx((labels[:, LEFT:RIGHT] > 0).mean(), rel=0.01)
    assert field.instances is None


def test_a_folder_says_preparation_paper(tmp_path):
    """From files as the paper describes them to fields as the networks were trained on."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    image, labels = a_field(0)
    Image.fromarray(image).save(tmp_path / "images" / "P1_1.jpg", quality=90)
    Image.fromarray(labels).save(tmp_path / "labels" / "P1_1.png")
    lines = "".join(f'{i} = "{category}"\n' for i, category in enumerate(CATEGORIES, start=1))
    (tmp_path / "dataset.toml").write_text(
        'name = "paper"\nlabels = "labels"\npreparation = "paper"\npatient = "^(P[0-9])_"\n'
        f'[classes]\n0 = "background"\n{lines}'
    )
    dataset = open_dataset(tmp_path)
    assert dataset.taxonomy == SCD
    field = dataset[0]
    assert field.image.shape == (512, 512, 3) and field.patient == "P1"
    merged = np.array([0] + [SCD.index(MERGED_CLASS[category]) for category in CATEGORIES])
    expected = prepare_paper_field(Field("a", image, merged[labels].astype(np.uint8))).classes
    assert (field.classes == expected).mean() > 0.985
    assert ((field.classes > 0) == (field.instances > 0)).all()
