"""A run leaves a folder that explains and repeats itself, and can be interrupted anywhere."""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from drepano.errors import DrepanoError
from drepano.models import create, load_network, read_card
from drepano.preprocessing import normalise
from drepano.taxonomy import BINARY, SCD
from drepano.training import fit, samples
from drepano.training.module import SegmentationModule
from drepano.training.run import CHECKPOINT, _start_from


def weights_of(path):
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}


def refusal(*arguments, **options):
    with pytest.raises(DrepanoError) as error:
        fit(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def rows_of(run):
    """Rows of all CSV logs of a run, in order."""
    rows = []
    for table in sorted(run.glob("logs/*/metrics.csv")):
        with table.open(newline="") as lines:
            rows += list(csv.DictReader(lines))
    return rows


# --- the run folder


@pytest.fixture
def finished(toy, tiny, tmp_path):
    """A finished run of a dU-Net."""
    told = []
    config = tiny(network="dunet")
    run = tmp_path / "run"
    weights = fit([toy], config, run, name="a toy", device="cpu", progress=lambda *news: told.append(news))
    return run, weights, config, told


def test_a_run_leaves_everything_needed_to_judge_and_repeat_it(finished, toy):
    run, weights, config, told = finished
    assert weights == run / "model.safetensors"

    record = json.loads((run / "config.json").read_text())
    assert record["steps"] == 4 and record["seed"] == 0 and record["network"] == "dunet"
    assert set(config.model_dump()) <= set(record)
    assert record["data"] == [{"name": "toy", "fields": 10, "cell_diameter": 14.0}]
    assert {"drepano", "torch", "lightning", "python"} <= set(json.loads((run / "versions.json").read_text()))
    fingerprint = json.loads((run / "fingerprint.json").read_text())["toy"]
    assert fingerprint["fields"] == 10 and fingerprint["cells"] == 40 and len(fingerprint["sha256"]) == 64

    splits = json.loads((run / "splits.json").read_text())["toy"]
    assert len(splits["training"]) == 9 and len(splits["validation"]) == 1
    assert set(splits["training"]).isdisjoint(splits["validation"])
    assert {*splits["training"], *splits["validation"]} == {source.id for source in toy.sources}

    card = read_card(weights)
    assert json.loads((run / "card.json").read_text()) == card.model_dump(mode="json")
    assert card.name == "a toy" and card.classes == ["background", "dark", "bright"]
    assert card.cell_diameter == 14.0 and card.training == record
    assert [(use.name, use.fields, use.patients) for use in card.data] == [("toy", 10, ["P0", "P1"])]
    assert not list(run.glob(".*"))  # nothing half written

    # what was told on the way
    assert [news[:3] for news in told if news[0] == "reading fields"] == [
        ("reading fields", i, 10) for i in range(1, 11)
    ]
    assert [news[:3] for news in told if news[0] == "training"] == [("training", i, 4) for i in range(1, 5)]

    # the weights make the network of the card
    network, _ = load_network(weights)
    assert sum("offset" in name for name, _ in network.named_parameters()) == 14
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 40, 40)).shape == (1, 3, 40, 40)

    # the logs
    rows = rows_of(run)
    names = {name for row in rows for name, value in row.items() if value}
    assert {"validation_loss", "validation_dice/background"} <= names
    assert sum(name.startswith("offset_saturation/") for name in names) == 14
    assert list(run.glob("logs/*/events*"))

    # no pickled checkpoint is left in the user's hands
    assert not (run / CHECKPOINT).exists()


def test_a_finished_run_is_not_overwritten_and_resuming_it_changes_nothing(finished, toy):
    run, weights, config, _ = finished
    before = weights.read_bytes()
    assert "holds a run already; add --resume" in refusal([toy], config, run, device="cpu")
    assert weights.read_bytes() == before
    fit([toy], config, run, name="a toy", device="cpu", resume=True)
    assert weights.read_bytes() == before


# --- what is learnt


def test_classes_are_weighed_by_what_the_training_fields_have(toy, tiny, tmp_path, monkeypatch):
    given = []

    class Spy(SegmentationModule):
        def __init__(self, network, config, taxonomy, weights):
            given.append(weights)
            super().__init__(network, config, taxonomy, weights)

    monkeypatch.setattr("drepano.training.module.SegmentationModule", Spy)
    fit([toy], tiny(loss="weighted-ce"), tmp_path, device="cpu")
    (sides,) = json.loads((tmp_path / "splits.json").read_text()).values()
    assert len(sides["validation"]) == 1
    training = toy.with_ids(sides["training"])
    fields = [samples.prepare_field(field, 1.0, False, "contrast") for field in training]
    pixels = np.mean([np.bincount(field.classes[field.classes < 3], minlength=3) for field in fields], axis=0)
    pixels[0] += np.mean([(field.classes == samples.BETWEEN_CELLS).sum() for field in fields])
    assert given[0].numpy() == pytest.approx(pixels.sum() / (3 * pixels), rel=1e-6)


def test_the_loss_goes_down(toy, tiny, tmp_path):
    losses = []
    config = tiny(
        steps=50, batch_size=4, network_options={"width": 4}, validate_every=50, loss="ce", augment=False
    )
    fit([toy], config, tmp_path, device="cpu", progress=lambda *told: losses.extend(told[3:]))
    losses = np.array([loss for loss in losses if not np.isnan(loss)])
    assert len(losses) >= 49
    assert losses[-10:].mean() < 0.5 * losses[:5].mean()


def test_the_same_seed_gives_the_same_weights_bit_by_bit_and_another_seed_others(toy, tiny, tmp_path):
    runs = [
        weights_of(fit([toy], tiny(network="dunet", seed=seed), tmp_path / name, device="cpu"))
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_validation_fields_are_never_trained_on(toy, tiny, tmp_path, monkeypatch):
    """Crops as large as the fields are the fields: those that the network is trained on are noted."""
    seen = set()
    step = SegmentationModule.training_step

    def spy(self, batch, index):
        seen.update(crop.numpy().tobytes() for crop in batch[0])
        return step(self, batch, index)

    monkeypatch.setattr(SegmentationModule, "training_step", spy)
    config = tiny(steps=12, validate_every=6, batch_size=4, augment=False, crop_size=48, validation_share=0.3)
    fit([toy], config, tmp_path, device="cpu")
    splits = json.loads((tmp_path / "splits.json").read_text())["toy"]
    assert len(splits["validation"]) == 3
    assert seen == {
        samples.prepare_field(field, 1.0, False, config.normalisation).image.astype(np.float32).tobytes()
        for field in toy
        if field.id in splits["training"]
    }


def test_every_step_sees_new_crops_whatever_the_time_between_validations(toy, tiny, tmp_path, monkeypatch):
    """Step after step the crops numbered 0, 1, 2, ...; so a resumed run knows which ones come next."""
    seen = []
    step = SegmentationModule.training_step

    def spy(self, batch, index):
        seen.extend(batch[0].clone())
        return step(self, batch, index)

    monkeypatch.setattr(SegmentationModule, "training_step", spy)
    config = tiny(steps=7, validate_every=3, validation_share=0.0, seed=2)
    fit([toy], config, tmp_path, device="cpu")
    fields = [samples.prepare_field(field, 1.0, False, config.normalisation) for field in toy]
    expected = samples.TrainingCrops([fields], 32, count=14, seed=2)
    assert len(seen) == 14
    assert all(torch.equal(image, expected[i][0]) for i, image in enumerate(seen))


# --- interrupted


SCRIPT = """
import importlib.util, os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
spec = importlib.util.spec_from_file_location("toy", sys.argv[1])
toy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toy)
from drepano.training import fit, make_config
from drepano.training.run import CHECKPOINT

run = Path(sys.argv[2])
data = toy.make_dataset([toy.toy_field(f"f{i}", i) for i in range(10)])
config = make_config("default", network="dunet", network_options={"width": 2}, steps=8, batch_size=2,
                     crop_size=32, cell_diameter=14.0, validate_every=3)

def progress(stage, done, total, loss=None):
    if stage == "training" and done == 5:
        assert (run / CHECKPOINT).is_file()
        os.kill(os.getpid(), signal.SIGKILL)

fit([data], config, run, device="cpu", progress=progress)
"""


def test_a_run_that_was_killed_goes_on_to_the_same_weights_bit_by_bit(toy, tiny, tmp_path):
    config = tiny(network="dunet", steps=8, validate_every=3)
    whole = fit([toy], config, tmp_path / "whole", device="cpu")

    run = tmp_path / "killed"
    script = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent / "conftest.py"), str(run)]
    killed = subprocess.run(script, capture_output=True, text=True, timeout=200)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (run / CHECKPOINT).is_file() and not (run / "model.safetensors").exists()
    splits = (run / "splits.json").read_text()

    # other settings or other fields are refused, and the run stays as it is
    other = tiny(network="dunet", steps=8, validate_every=3, seed=1)
    assert "was begun with other settings" in refusal([toy], other, run, device="cpu", resume=True)
    assert "was begun with other" in refusal([toy], config, run, device="cpu", resume=True, binary=True)
    assert "holds a run already" in refusal([toy], config, run, device="cpu")
    assert (run / "splits.json").read_text() == splits

    told = []
    resumed = fit([toy], config, run, device="cpu", resume=True, progress=lambda *news: told.append(news[:3]))
    assert [news for news in told if news[0] == "training"] == [("training", i, 8) for i in range(4, 9)]
    assert weights_of(resumed) == weights_of(whole)

    # the logs of the first part are kept beside those of the second
    assert len(list(run.glob("logs/*/metrics.csv"))) == 2
    # (Lightning counts one step too many in the log of the second part)
    in_parts, at_once = (
        [row for row in rows_of(each) if row.get("validation_loss")] for each in (run, whole.parent)
    )
    assert [int(row["step"]) for row in at_once] == [2, 5]
    assert [row["validation_loss"] for row in in_parts] == [row["validation_loss"] for row in at_once]


def test_other_fields_of_the_same_number_are_refused(toy, tiny, tmp_path, dataset_of):
    config = tiny()
    fit([toy], config, tmp_path, device="cpu")
    fields = list(toy)
    fields[3].image[0, 0] += 1
    before = (tmp_path / "fingerprint.json").read_text()
    assert "was begun with other data" in refusal(
        [dataset_of(fields)], config, tmp_path, device="cpu", resume=True
    )
    assert (tmp_path / "fingerprint.json").read_text() == before


def test_another_size_of_cells_is_refused(toy, tiny, tmp_path):
    fit([toy], tiny(), tmp_path, device="cpu")
    corrected = dataclasses.replace(toy, cell_diameter=15.0)
    assert "was begun with other settings or data (data was" in refusal(
        [corrected], tiny(), tmp_path, device="cpu", resume=True
    )


def test_a_network_with_dropout_goes_on_to_the_same_weights_too(toy, tiny, tmp_path):
    pytest.importorskip("segmentation_models_pytorch")
    options = {"network": "pspnet", "network_options": {}, "steps": 4, "validate_every": 2}
    whole = fit([toy], tiny(**options), tmp_path / "whole", device="cpu")

    def interrupt(stage, done, *_):
        if (stage, done) == ("training", 3):
            raise KeyboardInterrupt

    run = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        fit([toy], tiny(**options), run, device="cpu", progress=interrupt)
    assert weights_of(fit([toy], tiny(**options), run, device="cpu", resume=True)) == weights_of(whole)


@pytest.mark.parametrize("steps", [1, 4, 5, 6])
def test_a_run_may_be_short(toy, tiny, tmp_path, steps):
    assert fit([toy], tiny(schedule="one-cycle", steps=steps), tmp_path, device="cpu").is_file()


@pytest.mark.parametrize("name", ["config.json", "fingerprint.json"])
@pytest.mark.parametrize("content", [None, "{"])
def test_a_run_that_does_not_say_how_it_was_begun_cannot_be_resumed(toy, tiny, tmp_path, name, content):
    fit([toy], tiny(), tmp_path, device="cpu")
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    told = refusal([toy], tiny(), tmp_path, device="cpu", resume=True)
    assert told.startswith(f"{tmp_path / name}: the run cannot be resumed (")


def test_lightning_says_to_others_what_it_said_before(toy, tiny, tmp_path):
    logger, before = logging.getLogger("lightning.pytorch"), list(warnings.filters)
    level = logger.level
    fit([toy], tiny(), tmp_path, device="cpu")
    assert logger.level == level != logging.ERROR
    assert warnings.filters == before


def test_there_must_be_something_to_resume(toy, tiny, tmp_path):
    assert "there is no checkpoint to resume from" in refusal(
        [toy], tiny(), tmp_path, device="cpu", resume=True
    )


def test_a_run_that_ended_before_its_first_checkpoint_is_begun_again(toy, tiny, tmp_path, monkeypatch):
    def stop(stage, done, total, loss=None):
        if stage == "training":
            raise RuntimeError("the machine went down")

    with pytest.raises(RuntimeError):
        fit([toy], tiny(), tmp_path, device="cpu", progress=stop)
    assert (tmp_path / "config.json").is_file()
    assert fit([toy], tiny(), tmp_path, device="cpu").is_file()


def test_a_folder_of_somebody_elses_files_is_refused_and_left_alone(toy, tiny, tmp_path):
    for name in ("config.json", "checkpoints/old.pt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    message = refusal([toy], tiny(), tmp_path, device="cpu")
    assert message == f"{tmp_path}: holds other files (checkpoints) and no run; name a new folder"
    assert [(tmp_path / name).read_text() for name in ("config.json", "checkpoints/old.pt")] == ["mine"] * 2


def test_files_beside_the_checkpoint_are_kept(toy, tiny, tmp_path):
    def add_file(stage, done, total, loss=None):
        (tmp_path / CHECKPOINT).parent.mkdir(exist_ok=True)
        (tmp_path / CHECKPOINT).with_name("notes.txt").write_text("mine")

    fit([toy], tiny(), tmp_path, device="cpu", progress=add_file)
    assert [path.name for path in (tmp_path / CHECKPOINT).parent.iterdir()] == ["notes.txt"]


def test_a_run_that_ended_while_it_tidied_up_is_completed(toy, tiny, tmp_path):
    weights = fit([toy], tiny(), tmp_path, device="cpu")
    card = (tmp_path / "card.json").read_text()
    (tmp_path / "card.json").unlink()
    (tmp_path / CHECKPOINT).parent.mkdir()
    (tmp_path / CHECKPOINT).touch()
    assert fit([toy], tiny(), tmp_path, device="cpu", resume=True) == weights
    assert (tmp_path / "card.json").read_text() == card
    assert not (tmp_path / CHECKPOINT).parent.exists()


def test_fields_without_a_single_cell_are_refused(toy, tiny, tmp_path, dataset_of):
    empty = [dataclasses.replace(field, classes=np.zeros_like(field.classes)) for field in toy]
    assert "no field has a labelled cell" in refusal([dataset_of(empty)], tiny(), tmp_path, device="cpu")


def test_ctrl_c_ends_the_run_as_an_interruption(toy, tiny, tmp_path, interruptible):
    def interrupt(stage, done, total, loss=None):
        if stage == "training" and done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit([toy], tiny(), tmp_path, device="cpu", progress=interrupt)
    assert not (tmp_path / "model.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert fit([toy], tiny(), tmp_path, device="cpu", resume=True).is_file()


# --- begun from another network


@pytest.fixture
def unet_file(toy, tiny, tmp_path):
    return fit([toy], tiny(), tmp_path / "unet", device="cpu")


def test_a_du_net_begun_from_a_u_net_is_at_first_exactly_that_u_net(unet_file):
    unet, _ = load_network(unet_file)
    dunet = create("dunet", num_classes=3, width=2)
    _start_from(dunet, unet_file)
    image = torch.randn(1, 3, 40, 33)
    with torch.inference_mode():
        torch.testing.assert_close(dunet.eval()(image), unet(image), rtol=1e-4, atol=1e-5)


def test_training_from_a_u_net_begins_there(unet_file, toy, tiny, tmp_path):
    """With steps too small to move anything, the U-Net's weights come out again."""
    config = tiny(network="dunet", steps=1, learning_rate=1e-12)
    weights = fit([toy], config, tmp_path / "dunet", device="cpu", start_from=unet_file)
    begun, ended = load_file(unet_file), load_file(weights)
    for name, tensor in begun.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(ended[name], tensor, rtol=0, atol=1e-8)
    assert read_card(weights).training["start_from"] == "model.safetensors"


def test_a_network_of_another_size_is_refused(unet_file):
    for options in ({"num_classes": 3, "width": 4}, {"num_classes": 2, "width": 2}):
        with pytest.raises(DrepanoError, match="start from a network of this size") as error:
            _start_from(create("unet", **options), unet_file)
        assert "model.safetensors" in str(error.value) and "\n" not in str(error.value)


def test_a_u_net_cannot_begin_from_a_du_net(toy, tiny, tmp_path):
    dunet = fit([toy], tiny(network="dunet", steps=1), tmp_path / "dunet", device="cpu")
    message = refusal([toy], tiny(), tmp_path / "unet", device="cpu", start_from=dunet)
    assert "is of another architecture" in message and ".offset." in message


# --- data sets


def test_binary_merges_the_classes_of_cells(toy, tiny, tmp_path):
    weights = fit([toy], tiny(), tmp_path, device="cpu", binary=True)
    card = read_card(weights)
    assert (card.taxonomy, tuple(card.classes)) == (BINARY.name, BINARY.classes)
    assert card.architecture["num_classes"] == 2 and card.training["binary"] is True


def test_data_sets_of_different_classes_are_refused_unless_merged(toy, tiny, tmp_path, dataset_of):
    other = dataset_of(list(toy), name="other", taxonomy=SCD)
    message = refusal([toy, other], tiny(), tmp_path / "a", device="cpu")
    assert "toy and other have different classes" in message and "--binary" in message
    assert not (tmp_path / "a").exists()
    fit([toy, other], tiny(), tmp_path / "b", device="cpu", binary=True)
    assert set(json.loads((tmp_path / "b" / "splits.json").read_text())) == {"toy", "other"}


def test_two_data_sets_of_one_name_are_kept_apart(toy, tiny, tmp_path):
    fit([toy.subset(range(6)), toy.subset(range(6, 10))], tiny(validation_share=0.5), tmp_path, device="cpu")
    for file in ("splits.json", "fingerprint.json"):
        assert set(json.loads((tmp_path / file).read_text())) == {"toy", "toy (2)"}


def test_no_field_at_all_is_refused(toy, tiny, tmp_path):
    for datasets in ([], [toy.subset([])], [toy, toy.subset([])]):
        assert "no fields to train on" in refusal(datasets, tiny(), tmp_path, device="cpu")


def test_a_field_without_class_map_is_refused_by_name(toy, tiny, tmp_path, dataset_of):
    fields = list(toy)
    fields[2] = type(fields[2])("unlabelled", fields[2].image)
    assert "field unlabelled: has no class map" in refusal(
        [dataset_of(fields)], tiny(), tmp_path, device="cpu"
    )


@pytest.mark.parametrize(("fields", "share"), [(1, 0.1), (1, 0.9), (2, 0.9), (3, 0.0)])
def test_however_few_fields_there_is_one_to_train_on(toy, tiny, tmp_path, fields, share):
    config = tiny(steps=1, validation_share=share)
    assert fit([toy.subset(range(fields))], config, tmp_path, device="cpu").is_file()
    splits = json.loads((tmp_path / "splits.json").read_text())["toy"]
    assert len(splits["training"]) >= 1
    assert len(splits["training"]) + len(splits["validation"]) == fields


def test_cells_are_scaled_to_the_diameter_that_the_network_knows(toy, tiny, tmp_path, monkeypatch):
    """Fields of 48 px with cells of 14 px become 24 px for cells of 7 px; the card says 7."""
    sizes = set()

    def spy(image, light):
        sizes.add(image.shape[:2])
        return normalise(image, light)

    monkeypatch.setattr(samples, "normalise", spy)
    weights = fit([toy], tiny(steps=1, cell_diameter=7.0), tmp_path, device="cpu")
    assert sizes == {(24, 24)}
    assert read_card(weights).cell_diameter == 7.0


# --- where


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_read(toy, tiny, tmp_path):
    assert "PyTorch sees no GPU here" in refusal([toy], tiny(), tmp_path / "run", device="cuda")
    assert not (tmp_path / "run").exists()


def test_an_unknown_device_is_refused_with_the_known_ones(toy, tiny, tmp_path):
    assert "use one of auto, cpu, cuda" in refusal([toy], tiny(), tmp_path, device="tpu")


def test_an_unknown_network_is_refused(toy, tiny, tmp_path):
    assert "network 'vnet' is unknown" in refusal([toy], tiny(network="vnet"), tmp_path, device="cpu")


def test_a_run_folder_that_cannot_be_written_is_named(toy, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refusal([toy], tiny(), tmp_path / "file", device="cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_du_net_trains_on_a_gpu(toy, tiny, tmp_path):
    """Lightning's deterministic mode would refuse cross-entropy there."""
    assert fit([toy], tiny(network="dunet"), tmp_path, device="cuda").is_file()
