"""Style networks read back from the files that they were exported to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from fststyle.checkpoints import DEPTH, STYLE, load
from fststyle.checkpoints.exported import OF_THE_FILE
from fststyle.config.cards import KEY
from fststyle.inference.styles import read_card
from fststyle.networks.transform import rounded_for_float16
from tests.conftest import contrasty, run_here

Exported = Callable[..., Path]


@pytest.mark.parametrize(
    "options",
    [
        {"mapped": True, "uint8": True, "fp16": True},
        {"mapped": True},
        {"half": True},
        {"opset": 15},
    ],
)
def test_the_network_of_an_exported_file(options: dict[str, Any], exported: Exported) -> None:
    model = load(exported(**options), STYLE)
    network = contrasty(mapped=model.network.mapped)
    assert model.kind == "transform" and model.network.mapped == ("mapped" in options)
    assert model.card["step"] == 3 and not set(OF_THE_FILE) & set(model.card)
    # float16's values are exactly those of the file; of float32's, the sums were rounded.
    in_half = {"half", "fp16"} & options.keys()
    if in_half:
        network = rounded_for_float16(network)
    for name, tensor in network.state_dict().items():
        # fp16 keeps norms; --half keeps what is small, too.
        if in_half and "norm" not in name and (tensor.numel() >= 256 or "fp16" in options):
            tensor = tensor.half().float()
        difference = (model.network.state_dict()[name] - tensor).abs().max().item()
        exact = in_half or "up" not in name
        assert difference <= (0 if exact else 1e-6 * tensor.abs().max().item()), name


def test_an_exported_network_is_exported_otherwise(
    traced_once: None,
    exported: Exported,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status, error = run_here(capsys, "export", exported(), "--output", "bytes.onnx", "--uint8")
    assert status == 0, error
    assert read_card(tmp_path / "bytes.onnx")["input"] == "uint8 NHWC"
    assert load("bytes.onnx", STYLE).card == load(exported(), STYLE).card


def test_what_is_no_network_to_be_read_back(
    exported: Exported, tmp_path: Path, photos: Path
) -> None:
    def refused(path: Path, message: str, *expected: str) -> None:
        with pytest.raises(ValueError, match=message) as error:
            load(path, *expected)
        assert "\n" not in str(error.value) and str(path) in str(error.value)

    refused(exported(), "where a depth network is due", DEPTH)
    refused(Path("checkpoints/depth/fast.onnx"), "an exported network, but of no style", STYLE)
    model = onnx.load(exported())
    for node in model.graph.node:
        if node.op_type == "Conv" and "residuals.3.conv2.conv.weight" in node.input[1]:
            node.input[1] = node.input[1].replace("residuals.3", "residuals.2")
    path = tmp_path / "other.onnx"
    onnx.save(model, path)
    kernel = "residuals.3.conv2.conv.weight"  # whose it is, the graph says, and not the name
    read, own = load(path, STYLE).network.state_dict()[kernel], contrasty().state_dict()[kernel]
    assert not torch.equal(read, own)
    del model.graph.node[-12:]
    onnx.helper.set_model_props(model, {KEY: json.dumps({"kind": "transform"})})
    onnx.save(model, path)
    refused(path, "damaged")
