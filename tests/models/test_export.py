"""Networks in other programs' formats: the same results there, and nothing written where they are not."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from drepano.errors import DrepanoError
from drepano.models import ModelCard, create
from drepano.models.card import parse_card
from drepano.models.export import CHECK_FIELD, export, run_onnx, run_openvino

onnx = pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("onnxscript", reason="the extra export is not installed")
openvino = pytest.importorskip("openvino", reason="the extra export is not installed")

CLASSES = ("background", "Dic+Ovl", "El+Sk", "Grl", "Ret+Sto+Ech")
FORMATS = {"onnx": ("network.onnx", run_onnx), "openvino": ("network.xml", run_openvino)}
each_format = pytest.mark.parametrize("file_format", FORMATS)


def make_network(name="dunet"):
    """A network of random weights whose offsets move and whose normalisations are no identity."""
    torch.manual_seed(0)
    network = create(name, num_classes=5, width=2).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return network


def make_card():
    return ModelCard(
        name="small",
        architecture={"name": "dunet", "num_classes": 5, "width": 2},
        taxonomy="scd",
        classes=list(CLASSES),
        cell_diameter=45,
        training={},
        data=[],
        version="0",
    )


@pytest.fixture(scope="module", params=FORMATS)
def exported(request, tmp_path_factory):
    """A dU-Net with its exported file, what runs it, and how they differ."""
    network = make_network()
    name, run = FORMATS[request.param]
    path = tmp_path_factory.mktemp("export") / name
    return network, path, run, export(network, make_card(), path, request.param)


class TestAgreement:
    def test_the_check_is_made_on_a_real_field_and_passes(self, exported):
        *_, check = exported
        assert check.field == CHECK_FIELD
        assert check.same_classes == 1
        assert check.largest_difference < 1e-4 * check.largest_logit

    @pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 3, 56, 120), (3, 3, 40, 16)])
    def test_any_batch_and_any_multiple_of_the_stride_will_do(self, exported, shape):
        network, path, run, _ = exported
        window = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            expected = network(window).numpy()
        np.testing.assert_allclose(run(path, window.numpy())[1], expected, atol=1e-4 * abs(expected).max())

    @each_format
    def test_u_net_can_be_exported_as_well(self, tmp_path, file_format):
        check = export(make_network("unet"), make_card(), tmp_path / FORMATS[file_format][0], file_format)
        assert check.same_classes == 1

    def test_deeplab_can_be_exported_as_well(self, tmp_path):
        pytest.importorskip("segmentation_models_pytorch", reason="the extra compare is not installed")
        network = create("deeplabv3plus", num_classes=5, encoder="resnet18").eval()
        assert export(network, make_card(), tmp_path / "d.onnx", "onnx").same_classes >= 0.999


class TestFiles:
    def test_nothing_else_is_left_beside_them(self, exported):
        _, path, _, _ = exported
        expected = {"network.onnx"} if path.suffix == ".onnx" else {"network.xml", "network.bin"}
        assert {file.name for file in path.parent.iterdir()} == expected

    def test_onnx_has_the_operator_fourteen_times_and_the_card(self, tmp_path):
        path = tmp_path / "network.onnx"
        export(make_network(), make_card(), path, "onnx")
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert [node.op_type for node in model.graph.node].count("DeformConv") == 14
        assert {opset.domain: opset.version for opset in model.opset_import}[""] >= 19
        cards = [entry.value for entry in model.metadata_props if entry.key == "drepano"]
        assert [parse_card(card, "file") for card in cards] == [make_card()]

    def test_the_operator_stays_one_whatever_kernel_the_environment_asks_for(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DREPANO_KERNEL", "reference")
        path = tmp_path / "network.onnx"
        export(make_network(), make_card(), path, "onnx")
        kinds = [node.op_type for node in onnx.load(path).graph.node]
        assert kinds.count("DeformConv") == 14

    def test_openvino_has_the_operator_and_the_card(self, tmp_path):
        path = tmp_path / "network.xml"
        export(make_network(), make_card(), path, "openvino")
        model = openvino.Core().read_model(path)
        kinds = [operation.get_type_name() for operation in model.get_ops()]
        assert kinds.count("DeformableConvolution") == 14
        assert "BatchNormInference" not in kinds
        assert parse_card(model.get_rt_info(["drepano"]).astype(str), "file") == make_card()


class TestRefusals:
    """One line that says what is wrong, and nothing written."""

    def refused(self, tmp_path, match, network=None, name="network.onnx", file_format="onnx", **settings):
        target = tmp_path / "out"
        target.mkdir()
        with pytest.raises(DrepanoError, match=match):
            export(network or make_network(), make_card(), target / name, file_format, **settings)
        assert not list(target.iterdir())

    def test_an_unknown_format(self, tmp_path):
        self.refused(tmp_path, "'tflite': not known; choose one of onnx, openvino", file_format="tflite")

    @pytest.mark.parametrize(("file_format", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml")])
    def test_a_name_that_does_not_fit_the_format(self, tmp_path, file_format, suffix):
        self.refused(tmp_path, f"must end in {suffix}", name="network.bin", file_format=file_format)

    def test_a_field_that_cannot_be_read(self, tmp_path):
        self.refused(tmp_path, "nowhere.png", field=tmp_path / "nowhere.png")

    def test_a_field_smaller_than_the_networks_stride(self, tmp_path):
        from PIL import Image

        Image.new("RGB", (30, 5)).save(tmp_path / "small.png")
        self.refused(tmp_path, "too small", field=tmp_path / "small.png")

    @pytest.mark.parametrize("package", ["onnxscript", "onnxruntime"])
    def test_a_missing_package(self, tmp_path, monkeypatch, package):
        monkeypatch.setitem(sys.modules, package, None)
        self.refused(tmp_path, r"pip install 'drepano\[export\]'")

    def test_a_network_that_the_runtime_cannot_run(self, tmp_path):
        """PSPNet's pooling into a grid has no equal in ONNX for images of any size."""
        pytest.importorskip("segmentation_models_pytorch", reason="the extra compare is not installed")
        network = create("pspnet", num_classes=5, encoder="resnet18").eval()
        self.refused(tmp_path, "cannot be run .*; not written", network=network)

    @each_format
    def test_an_exported_network_with_another_result(self, tmp_path, file_format):
        class Changed(torch.nn.Module):
            stride = 8

            def __init__(self):
                super().__init__()
                self.network = make_network("unet")

            def forward(self, image):
                logits = self.network(image)
                return logits.flip(1) if torch.compiler.is_exporting() else logits

        self.refused(
            tmp_path,
            "gives another result than drepano on field.jpg",
            network=Changed(),
            name=FORMATS[file_format][0],
            file_format=file_format,
        )
