"""Weights files: what is written is what is read, and nothing else is believed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from drepano.errors import DrepanoError
from drepano.models import (
    DataUse,
    Metric,
    ModelCard,
    create,
    find_weights,
    load_network,
    read_card,
    save_model,
    shipped_models,
)
from drepano.models.card import parse_card, parse_metrics

ARCHITECTURE = {"name": "dunet", "num_classes": 5, "width": 2, "scope": 1.5}


def make_card(**changes) -> ModelCard:
    values = {
        "name": "small",
        "architecture": ARCHITECTURE,
        "taxonomy": "scd",
        "classes": ["background", "Dic+Ovl", "El+Sk", "Grl", "Ret+Sto+Ech"],
        "cell_diameter": 45.0,
        "training": {"steps": 10, "learning_rate": 1e-3, "loss": "ce"},
        "data": [DataUse(name="d", fields=3, licence="CC0", origin="here", patients=["P1"])],
        "metrics": [Metric(name="Dice", value=0.1 + 0.2, conditions="none")],
        "notes": "für Tests, 45 µm",
        "version": "0.1.0",
    }
    return ModelCard(**(values | changes))


def make_network(**architecture):
    torch.manual_seed(0)
    network = create(**(ARCHITECTURE | architecture))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.num_batches_tracked += 7
    return network


@pytest.fixture
def weights(tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    save_model(path, make_network(), make_card())
    return path


def write_with_metadata(path: Path, metadata: dict[str, str] | None) -> None:
    save_file(make_network().state_dict(), path, metadata=metadata)


def write_with_card(path: Path, **changes) -> None:
    """A file as `save_model` writes it, but with a card that need not be true."""
    card = json.loads(make_card().model_dump_json()) | changes
    write_with_metadata(path, {"drepano": json.dumps(card)})


def assert_refused(path: Path, *fragments: str, use=load_network) -> None:
    with pytest.raises(DrepanoError) as error:
        use(path)
    message = str(error.value)
    assert "\n" not in message
    for fragment in (str(path), *fragments):
        assert fragment in message


class TestRoundTrip:
    def test_every_bit_of_the_weights_comes_back(self, weights):
        network, _ = load_network(weights)
        state, expected = network.state_dict(), make_network().state_dict()
        assert state.keys() == expected.keys()
        for name, tensor in state.items():
            assert tensor.dtype == expected[name].dtype
            assert torch.equal(tensor, expected[name])

    def test_the_card_comes_back(self, weights):
        assert load_network(weights)[1] == read_card(weights) == make_card()

    def test_the_network_computes_the_same_and_is_ready_to_use(self, weights):
        network, _ = load_network(weights)
        assert not network.training
        image = torch.randn(1, 3, 17, 9)
        assert torch.equal(network(image), make_network().eval()(image))

    def test_the_same_network_makes_the_same_file(self, weights, tmp_path):
        again = tmp_path / "again.safetensors"
        save_model(again, *load_network(weights))
        assert again.read_bytes() == weights.read_bytes()

    def test_saving_leaves_no_other_file(self, weights):
        assert list(weights.parent.iterdir()) == [weights]

    def test_the_taxonomy_follows_from_the_card(self):
        taxonomy = make_card().class_taxonomy
        assert taxonomy.name == "scd"
        assert taxonomy.classes == tuple(make_card().classes)


class TestRefusals:
    """One line that names the file, and no other exception."""

    def test_a_pickle_is_refused_and_never_executed(self, tmp_path):
        path, trace = tmp_path / "model.safetensors", tmp_path / "executed"

        class Payload:
            def __reduce__(self):
                return Path.touch, (trace,)

        path.write_bytes(pickle.dumps(Payload()))
        pickle.loads(path.read_bytes())
        assert trace.exists(), "the payload should work, or this test shows nothing"
        trace.unlink()

        for use in (load_network, read_card):
            assert_refused(path, "not a safetensors file", "never opened", use=use)
        assert not trace.exists()

    def test_a_pickled_checkpoint_is_refused(self, tmp_path):
        path = tmp_path / "model.ckpt"
        torch.save(make_network().state_dict(), path)
        assert_refused(path, "not a safetensors file", "drepano train")

    @pytest.mark.parametrize("left", [0, 4, 100, 0.5, 0.99])
    def test_a_file_cut_short(self, weights, left):
        data = weights.read_bytes()
        weights.write_bytes(data[: left if isinstance(left, int) else int(left * len(data))])
        assert_refused(weights, "not a safetensors file")

    def test_a_file_with_more_behind_it(self, weights):
        weights.write_bytes(weights.read_bytes() + b"more")
        assert_refused(weights, "not a safetensors file")

    @pytest.mark.parametrize("text", [b"not a model", b"\x89PNG\r\n\x1a\n" + bytes(100), b"{}" * 50])
    def test_a_file_of_another_kind(self, tmp_path, text):
        path = tmp_path / "model.safetensors"
        path.write_bytes(text)
        assert_refused(path, "not a safetensors file")

    def test_a_folder(self, tmp_path):
        assert_refused(tmp_path, "not a safetensors file")

    def test_a_file_that_is_not_there(self, tmp_path):
        assert_refused(tmp_path / "none.safetensors")

    @pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
    def test_a_file_without_a_card(self, tmp_path, metadata):
        path = tmp_path / "model.safetensors"
        write_with_metadata(path, metadata)
        assert_refused(path, "has no drepano model card")

    @pytest.mark.parametrize("text", ["", "no card", "[]", "{}", '{"name": "half'])
    def test_a_card_that_is_none(self, tmp_path, text):
        path = tmp_path / "model.safetensors"
        write_with_metadata(path, {"drepano": text})
        assert_refused(path, "its model card is not valid")

    @pytest.mark.parametrize(
        ("changes", "place"),
        [
            ({"cell_diameter": 0}, "cell_diameter"),
            ({"cell_diameter": "large"}, "cell_diameter"),
            ({"classes": "background"}, "classes"),
            ({"data": [{"name": "d"}]}, "data.0.fields"),
            ({"surprise": 1}, "surprise"),
            ({"version": None}, "version"),
        ],
        ids=str,
    )
    def test_a_card_with_a_wrong_entry_names_it(self, tmp_path, changes, place):
        path = tmp_path / "model.safetensors"
        write_with_card(path, **changes)
        assert_refused(path, "its model card is not valid", place)

    @pytest.mark.parametrize(
        "architecture",
        [
            ARCHITECTURE | {"width": 3},
            {"name": "unet", "num_classes": 5, "width": 2},
            ARCHITECTURE | {"num_classes": 4},
        ],
        ids=["another width", "another network", "another number of classes"],
    )
    def test_a_card_of_another_network_than_the_weights(self, tmp_path, architecture):
        path = tmp_path / "model.safetensors"
        classes = ["background", *"abcd"[: architecture["num_classes"] - 1]]
        write_with_card(path, architecture=architecture, classes=classes)
        assert_refused(path, "do not fit its card's architecture")

    @pytest.mark.parametrize(
        ("architecture", "fragment"),
        [
            ({"name": "vnet"}, "network 'vnet' is unknown"),
            ({}, "name"),
            ({"name": ["unet"]}, "list"),
            (ARCHITECTURE | {"depth": 4}, "depth"),
            (ARCHITECTURE | {"num_classes": "five"}, "num_classes"),
            (ARCHITECTURE | {"width": -8}, "width"),
        ],
        ids=str,
    )
    def test_a_card_with_an_architecture_that_cannot_be_made(self, tmp_path, architecture, fragment):
        path = tmp_path / "model.safetensors"
        write_with_card(path, architecture=architecture)
        assert_refused(path, fragment)

    @pytest.mark.parametrize(
        "classes",
        [["background", "cell"], ["cell", *"abcd"], ["background", "a", "a", "b", "c"], []],
        ids=str,
    )
    def test_a_card_whose_classes_are_not_the_networks(self, tmp_path, classes):
        path = tmp_path / "model.safetensors"
        write_with_card(path, classes=classes)
        assert_refused(path, "class")


class TestFindWeights:
    def test_a_file_is_taken_as_it_is(self, weights):
        assert find_weights(weights) == find_weights(str(weights)) == weights

    def test_what_is_neither_shipped_nor_a_file_is_refused(self, tmp_path):
        for name in ("nonsense", tmp_path, tmp_path / "no.safetensors"):
            with pytest.raises(
                DrepanoError, match=r"neither a shipped network .* nor a file; check the name"
            ):
                find_weights(name)

    def test_shipped_networks_can_be_loaded(self):
        if not shipped_models():
            pytest.skip("no network is shipped yet")
        for name in shipped_models():
            network, card = load_network(find_weights(name))
            assert card.name == name
            assert len(card.class_taxonomy) == card.architecture["num_classes"]
            assert card.data
            assert network(torch.zeros(1, 3, 16, 16)).shape == (1, len(card.classes), 16, 16)


class TestMetricsFile:
    def test_a_list_of_figures(self, tmp_path):
        path = tmp_path / "metrics.json"
        path.write_text('[{"name": "Dice", "value": 0.9, "conditions": "held-out patients"}]')
        assert parse_metrics(path) == [Metric(name="Dice", value=0.9, conditions="held-out patients")]

    @pytest.mark.parametrize(
        "text",
        ["", "{}", '[{"name": "Dice"}]', "not JSON", '[{"name": "Dice", "value": NaN, "conditions": ""}]'],
    )
    def test_anything_else_is_refused(self, tmp_path, text):
        path = tmp_path / "metrics.json"
        path.write_text(text)
        assert_refused(path, "expected a list of {name, value, conditions}", use=parse_metrics)

    def test_a_file_that_is_not_there(self, tmp_path):
        assert_refused(tmp_path / "none.json", "cannot be read", use=parse_metrics)


def test_a_confusion_matrix_of_all_patients_together_is_taken_for_that_of_one():
    """As versions before 0.3 wrote it."""
    text = make_card().model_copy(update={"cell_confusion": [[9, 1], [0, 5]]}).model_dump_json(warnings=False)
    assert parse_card(text, "file").cell_confusion == [[[9, 1], [0, 5]]]
