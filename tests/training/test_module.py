"""The optimisation of one network: its loss, its learning rates, and what it logs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from drepano.models import create
from drepano.taxonomy import Taxonomy
from drepano.training import make_config
from drepano.training.module import SegmentationModule
from drepano.training.samples import BETWEEN_CELLS

CLASSES = Taxonomy("toy", ("background", "round", "long"))


class Constant(nn.Module):
    """A network that says the same whatever it sees: logits (K, H, W)."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.as_tensor(logits, dtype=torch.float32))

    def forward(self, image):
        return self.logits.expand(len(image), *self.logits.shape)


def module_of(network, preset="paper", **changes):
    """The module and what it logs."""
    module = SegmentationModule(network, make_config(preset, **{"steps": 10, **changes}), CLASSES)
    logged = {}
    module.log = lambda name, value, **_: logged.__setitem__(name, float(torch.as_tensor(value).detach()))
    return module, logged


def one_hot(classes, height):
    """Logits that say `classes` (H, W) as clearly as `height`."""
    return height * torch.nn.functional.one_hot(torch.as_tensor(classes), 3).permute(2, 0, 1).float()


# --- loss


def test_cross_entropy_by_hand():
    """Logits 0, ln 2, ln 5 are probabilities 1/8, 2/8, 5/8; every pixel weighs the same."""
    logits = torch.tensor([0.0, math.log(2), math.log(5)]).view(3, 1, 1).expand(3, 2, 2)
    module, logged = module_of(Constant(logits))
    classes = torch.tensor([[[0, 0], [1, 2]]])
    loss = module.training_step((torch.zeros(1, 3, 2, 2), classes), 0)
    expected = -(2 * math.log(1 / 8) + math.log(2 / 8) + math.log(5 / 8)) / 4
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    assert logged["train_loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("weight", [1, 5])
def test_where_two_cells_meet_background_is_wanted_and_weighs_as_set(weight):
    logits = torch.tensor([0.0, math.log(2), math.log(5)]).view(3, 1, 1).expand(3, 2, 2)
    module, _ = module_of(Constant(logits), touching_weight=weight)
    classes = torch.tensor([[[0, BETWEEN_CELLS], [1, 2]]])
    loss = module.training_step((torch.zeros(1, 3, 2, 2), classes), 0)
    expected = -((1 + weight) * math.log(1 / 8) + math.log(2 / 8) + math.log(5 / 8)) / 4
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_classes_weigh_as_told_by_hand():
    logits = torch.tensor([0.0, math.log(2), math.log(5)]).view(3, 1, 1).expand(3, 2, 2)
    config = make_config("paper", steps=10, loss="weighted-ce", touching_weight=5)
    module = SegmentationModule(Constant(logits), config, CLASSES, torch.tensor([0.5, 2.0, 3.0]))
    module.log = lambda *_: None
    classes = torch.tensor([[[0, BETWEEN_CELLS], [1, 2]]])
    loss = module.training_step((torch.zeros(1, 3, 2, 2), classes), 0)
    expected = -((1 + 5) * 0.5 * math.log(1 / 8) + 2 * math.log(2 / 8) + 3 * math.log(5 / 8)) / 4
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    assert "_class_weights" not in module.state_dict(), "a checkpoint holds the network alone"


@pytest.mark.parametrize(("loss", "weights"), [("weighted-ce", None), ("ce", torch.ones(3))])
def test_weights_of_classes_go_with_the_loss_that_has_them(loss, weights):
    with pytest.raises(ValueError, match="weighted-ce"):
        SegmentationModule(Constant(torch.zeros(3, 2, 2)), make_config("paper", loss=loss), CLASSES, weights)


def test_dice_is_added_by_hand():
    """Soft Dice over a whole batch, mean over the two classes of cells; the background has no part in it."""
    probabilities = torch.tensor([1 / 8, 2 / 8, 5 / 8])
    logits = probabilities.log().view(3, 1, 1).expand(3, 2, 2)
    classes = torch.tensor([[[0, 0], [1, 2]], [[0, 0], [0, 1]]])
    batch = torch.zeros(2, 3, 2, 2), classes
    plain, _ = module_of(Constant(logits), loss="ce")
    both, _ = module_of(Constant(logits), loss="ce+dice")
    dice = [
        2 * n * probabilities[k] / (8 * probabilities[k] + n) for k, n in ((1, 2), (2, 1))
    ]  # n of 8 pixels
    added = float(both.training_step(batch, 0) - plain.training_step(batch, 0))
    assert added == pytest.approx(1 - float(sum(dice)) / 2, abs=1e-4)


@pytest.mark.parametrize("loss", ["ce", "ce+dice"])
def test_a_perfect_answer_costs_nothing_and_a_wrong_one_much(loss):
    classes = [[0, 1], [2, 0]]
    batch = torch.zeros(1, 3, 2, 2), torch.tensor([classes])
    right, _ = module_of(Constant(one_hot(classes, 50.0)), loss=loss)
    wrong, _ = module_of(Constant(one_hot([[1, 2], [0, 1]], 50.0)), loss=loss)
    assert float(right.training_step(batch, 0)) < 1e-3
    assert float(wrong.training_step(batch, 0)) > 10


# --- learning rates


def rate_of(optimiser, parameter):
    return next(
        group["lr"]
        for group in optimiser.param_groups
        if any(parameter is other for other in group["params"])
    )


def test_the_factor_holds_for_offset_convolutions_and_for_nothing_else():
    network = create("dunet", num_classes=3, width=2)
    module, _ = module_of(network, learning_rate=1e-3, offset_learning_rate=0.1)
    optimiser = module.configure_optimizers()["optimizer"]
    assert isinstance(optimiser, torch.optim.Adam)
    assert sum(len(group["params"]) for group in optimiser.param_groups) == len(list(network.parameters()))
    for name, parameter in network.named_parameters():
        expected = 1e-4 if name.endswith(".offset.weight") else 1e-3
        assert rate_of(optimiser, parameter) == pytest.approx(expected), name
    assert sum(name.endswith(".offset.weight") for name, _ in network.named_parameters()) == 14


def test_the_first_step_moves_offsets_by_a_tenth_as_much():
    """Adam's first step is the learning rate itself for every weight with a gradient."""
    torch.manual_seed(0)
    network = create("dunet", num_classes=3, width=2)
    module, _ = module_of(network, learning_rate=1e-3, offset_learning_rate=0.1)
    optimiser = module.configure_optimizers()["optimizer"]
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    batch = torch.randn(2, 3, 16, 16), torch.randint(0, 3, (2, 16, 16))
    module.training_step(batch, 0).backward()
    optimiser.step()
    moved = {
        name: float((parameter - before[name]).abs().max()) for name, parameter in network.named_parameters()
    }
    offsets = [value for name, value in moved.items() if ".offset." in name]
    others = [value for name, value in moved.items() if ".offset." not in name]
    assert max(offsets) == pytest.approx(1e-4, rel=0.02)
    assert max(others) == pytest.approx(1e-3, rel=0.02)


def test_a_u_net_has_one_rate():
    module, _ = module_of(create("unet", num_classes=3, width=2), offset_learning_rate=0.1)
    assert [group["lr"] for group in module.configure_optimizers()["optimizer"].param_groups] == [1e-3]


def test_constant_has_no_schedule_and_one_cycle_keeps_the_factor_all_the_way():
    network = create("dunet", num_classes=3, width=2)
    module, _ = module_of(network, schedule="one-cycle", learning_rate=4e-3, offset_learning_rate=0.1)
    configured = module.configure_optimizers()
    optimiser, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    assert configured["lr_scheduler"]["interval"] == "step"
    rates = []
    for _ in range(9):
        rates.append([group["lr"] for group in optimiser.param_groups])
        optimiser.step()
        schedule.step()
    others, offsets = zip(*rates, strict=True)
    assert offsets == pytest.approx([0.1 * rate for rate in others])
    assert max(others) == pytest.approx(4e-3) and others[0] < 1e-3 and others[-1] < 1e-3


# --- what is logged


def validate(module, batches):
    module.eval()
    module.on_validation_epoch_start()
    for index, batch in enumerate(batches):
        module.validation_step(batch, index)
    module.on_validation_epoch_end()


def test_dice_is_logged_for_every_class_over_all_validation_pixels():
    """Pooled over batches, not a mean of means."""
    module, logged = module_of(Constant(one_hot([[0, 1], [1, 1]], 9.0)))
    images = torch.zeros(1, 3, 2, 2)
    validate(module, [(images, torch.tensor([[[0, 1], [1, 1]]])), (images, torch.tensor([[[0, 0], [0, 1]]]))])
    assert logged["validation_dice/background"] == pytest.approx(2 * 2 / (2 + 4))
    assert logged["validation_dice/round"] == pytest.approx(2 * 4 / (6 + 4))
    assert "validation_loss" in logged


def test_a_class_that_is_nowhere_has_no_dice_and_one_that_is_missed_has_0():
    module, logged = module_of(Constant(one_hot([[0, 0], [0, 0]], 9.0)))
    validate(module, [(torch.zeros(1, 3, 2, 2), torch.tensor([[[0, 0], [0, 2]]]))])
    assert logged["validation_dice/long"] == 0
    assert "validation_dice/round" not in logged


def test_where_two_cells_meet_counts_as_background():
    module, logged = module_of(Constant(one_hot([[0, 1], [1, 1]], 9.0)))
    validate(module, [(torch.zeros(1, 3, 2, 2), torch.tensor([[[BETWEEN_CELLS, 1], [1, 1]]]))])
    assert logged["validation_dice/background"] == logged["validation_dice/round"] == 1


def test_every_validation_counts_anew():
    module, logged = module_of(Constant(one_hot([[1, 1], [1, 1]], 9.0)))
    images = torch.zeros(1, 3, 2, 2)
    validate(module, [(images, torch.tensor([[[1, 1], [1, 0]]]))])
    validate(module, [(images, torch.tensor([[[1, 1], [1, 1]]]))])
    assert logged["validation_dice/round"] == 1


def test_saturation_is_logged_for_each_of_the_fourteen_layers():
    """The share of |tanh| beyond 0.95: none at the beginning, nearly all where offset weights are huge."""
    torch.manual_seed(0)
    network = create("dunet", num_classes=3, width=2)
    module, logged = module_of(network)
    batch = torch.randn(1, 3, 16, 16), torch.zeros(1, 16, 16, dtype=torch.long)
    validate(module, [batch])
    shares = {name: value for name, value in logged.items() if name.startswith("offset_saturation/")}
    assert len(shares) == 14 and set(shares.values()) == {0.0}

    nn.init.normal_(network.encoder1[0].offset.weight, std=100.0)
    validate(module, [batch])
    assert logged["offset_saturation/encoder1.0"] > 0.9
    assert logged["offset_saturation/decoder1.3"] == 0


def test_no_hook_is_left_behind():
    network = create("dunet", num_classes=3, width=2)
    module, _ = module_of(network)
    validate(module, [(torch.randn(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long))])
    assert not any(layer._forward_hooks for layer in network.modules())


def test_a_u_net_logs_no_saturation():
    module, logged = module_of(create("unet", num_classes=3, width=2))
    validate(module, [(torch.randn(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long))])
    assert not any(name.startswith("offset_saturation") for name in logged)
