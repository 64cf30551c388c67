import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fststyle.__main__ import main
from fststyle.checkpoints.style import save_transform
from fststyle.deployment import export as exporting
from fststyle.deployment.export import export_network
from fststyle.deployment.graph import ExportWrapper
from fststyle.deployment.verify import Parity, check_parity, compare
from fststyle.inference.stylizer import Stylizer
from fststyle.networks.transform import TransformNet
from fststyle.sessions.precision import load_for
from tests.conftest import contrasty, picture, run_here

Exported = Callable[..., Path]


@pytest.fixture(scope="module")
def network() -> TransformNet:
    """The one in the files of ``exported``."""
    return contrasty()


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def metadata(path: Path) -> dict[str, object]:
    return json.loads(session(path).get_modelmeta().custom_metadata_map["fststyle"])


def found(path: Path, engine: str) -> Parity:
    """What ``export`` returned when it wrote ``path``."""
    parity = json.loads((path.parent / "found.json").read_text())[engine]
    assert not isinstance(parity, str), parity
    return Parity(*parity)


@pytest.mark.parametrize("size", [(1, 16, 16), (2, 33, 50), (1, 18, 95)])
def test_onnx_runtime_gives_torchs_pictures(
    network: TransformNet, size: tuple[int, int, int], exported: Exported
) -> None:
    content = np.random.default_rng(0).random((size[0], 3, *size[1:]), np.float32)
    (output,) = session(exported()).run(None, {"content": content})
    with torch.no_grad():
        expected = network(torch.from_numpy(content)).clamp(0, 1).numpy()
    np.testing.assert_allclose(output, expected, atol=1e-4)
    assert (output == 0).any() or (output == 1).any(), "clamping is inside"
    card = metadata(exported())
    assert card["step"] == 3 and card["agreement"]["largest_difference"] < 1e-4  # type: ignore[index]


def test_uint8_in_and_out(network: TransformNet, exported: Exported) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 37, 21, 3), np.uint8)
    (output,) = session(exported(uint8=True)).run(None, {"content": frames})
    assert output.shape == frames.shape and output.dtype == np.uint8
    with torch.no_grad():
        content = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        expected = (network(content).clamp(0, 1) * 255).round().permute(0, 2, 3, 1).numpy()
    assert np.abs(output.astype(int) - expected).max() <= 1


def test_fp16_is_half_as_large_and_keeps_instance_norm(exported: Exported) -> None:
    file = exported(uint8=True, fp16=True)
    assert found(file, "ONNX Runtime").psnr >= 45
    graph = onnx.load(file).graph
    of_type = {init.name: init.data_type for init in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv":
            assert of_type[node.input[1]] == onnx.TensorProto.FLOAT16
        if node.op_type == "InstanceNormalization":
            assert of_type[node.input[1]] == onnx.TensorProto.FLOAT
    half, whole = (
        sum(len(tensor.raw_data) for tensor in onnx.load(path).graph.initializer)
        for path in (file, exported(uint8=True))
    )
    assert half < 0.55 * whole


def test_half_the_weights_and_the_same_arithmetic(exported: Exported) -> None:
    whole, half = exported(), exported(half=True)
    assert half.stat().st_size < 0.6 * whole.stat().st_size
    assert metadata(half)["precision"] == "fp16_weights"
    for engine in ("ONNX Runtime", "OpenCV"):
        assert found(half, engine).psnr > 60, engine
    model = onnx.load(half)
    kinds = {i.data_type for i in model.graph.initializer if np.prod(i.dims) >= 256}
    assert kinds == {onnx.TensorProto.FLOAT16}


def test_on_the_cpu_half_precision_is_widened(exported: Exported) -> None:
    file = exported(uint8=True, fp16=True)
    widened = load_for(file, "cpu")
    half = onnx.TensorProto.FLOAT16
    assert all(tensor.data_type != half for tensor in widened.graph.initializer)
    assert all(a.i != half for n in widened.graph.node if n.op_type == "Cast" for a in n.attribute)
    frames = np.array(picture(9, 50, 37))[None]
    (expected,) = session(file).run(None, {"content": frames})
    stylizer = Stylizer(file, "cpu")
    output = stylizer.run(frames)
    assert np.abs(output - expected.astype(int)).max() <= 8
    assert np.abs(stylizer.tiled(frames[0], 800) - output[0].astype(int)).max() <= 1


def test_the_graph_is_plain(exported: Exported) -> None:
    """What reshapes kernels was computed at export; batch, height and width are free."""
    model = onnx.load(exported())
    kinds = {node.op_type for node in model.graph.node}
    assert kinds <= {
        *("Conv", "InstanceNormalization", "Relu", "Add", "Pad", "DepthToSpace"),
        *("Slice", "Shape", "Squeeze", "Mul", "Clip", "Sub", "ReduceSum"),
    }, kinds
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["batch", 3, "height", "width"]


@pytest.mark.parametrize("uint8", [False, True])
def test_opencv_runs_the_same_file(uint8: bool, exported: Exported) -> None:
    difference = found(exported(**({"uint8": True} if uint8 else {})), "OpenCV").largest_difference
    assert difference < (1.1 / 255 if uint8 else 1e-4)


UNITY = frozenset(
    (
        *("Add", "Cast", "Clip", "Concat", "Constant", "Conv", "DepthToSpace", "Div", "Expand"),
        *("Gather", "Gemm", "Identity", "InstanceNormalization", "Mul", "Pad", "ReduceMean"),
        *("ReduceSum", "Relu", "Reshape", "Resize", "Shape", "Slice", "Squeeze", "Sub"),
    )
)
"""Some of the operators in the manual of Unity's Inference Engine 2.3."""


@pytest.mark.parametrize("mapped", [False, True])
def test_unity_knows_what_a_file_consists_of(mapped: bool, exported: Exported) -> None:
    """Of pictures as floats, of one size, in the last opset of its older versions. What its manual
    leaves out of Resize has the values that it assumes."""
    model = onnx.load(exported(opset=15, size=(40, 56), mapped=mapped))
    assert {node.op_type for node in model.graph.node} <= UNITY
    assert {tensor.data_type for tensor in model.graph.initializer} <= {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.INT64,
    }
    assumed = {"cubic_coeff_a": -0.75, "exclude_outside": 0, "extrapolation_value": 0.0}
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Resize" and attribute.name in assumed:
                assert onnx.helper.get_attribute_value(attribute) == assumed[attribute.name]


@pytest.mark.parametrize("opset", [15, 23])
def test_other_operator_sets_and_one_size(
    network: TransformNet, opset: int, exported: Exported
) -> None:
    file = exported(opset=opset, size=(40, 56), uint8=True)
    model = onnx.load(file)
    assert [i.version for i in model.opset_import if i.domain == ""] == [opset]
    dims = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [1, 40, 56, 3]
    frames = np.random.default_rng(0).integers(0, 256, (1, 40, 56, 3), np.uint8)
    (output,) = session(file).run(None, {"content": frames})
    with torch.no_grad():
        content = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        expected = (network(content).clamp(0, 1) * 255).round().permute(0, 2, 3, 1).numpy()
    assert np.abs(output.astype(int) - expected).max() <= 1
    for other in (np.repeat(frames, 2, 0), frames[:, :, :48]):
        with pytest.raises(ValueError, match="takes 1 picture of 56x40 pixels at a time"):
            Stylizer(file).run(other)


def test_int8_is_calibrated_on_photos(traced_once: None, tmp_path: Path) -> None:
    photos = [tmp_path / f"{seed}.png" for seed in range(8)]
    for seed, path in enumerate(photos):
        picture(seed, 70, 64).save(path)
    torch.manual_seed(0)
    network, model = TransformNet(4).eval(), tmp_path / "x.onnx"
    engines = export_network(network, {}, model, uint8=True, photos=photos)
    parity = engines["ONNX Runtime"]
    assert isinstance(parity, Parity) and 30 <= parity.psnr < 70
    assert metadata(model)["precision"] == "int8"
    kinds = [node.op_type for node in onnx.load(model).graph.node]
    assert kinds.count("Conv") == 2 and kinds.count("QLinearConv") == 14
    frames = np.array(picture(9, 50, 37))[None]
    with torch.no_grad():
        content = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
        expected = network(content).clamp(0, 1).permute(0, 2, 3, 1).numpy() * 255
    output = Stylizer(model).run(frames)
    assert 0.1 < np.abs(output - expected).mean() < 8
    assert np.abs(Stylizer(model).tiled(frames[0], 16 * 50) - output.astype(int)).mean() < 1
    with pytest.raises(ValueError, match="3 found, at least 8 are needed"):
        export_network(network, {}, tmp_path / "y.onnx", photos=photos[:3])


def test_a_mismatch_leaves_no_file(
    traced_once: None, network: TransformNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = TransformNet(4).eval()
    real = compare
    monkeypatch.setattr(exporting, "compare", lambda d, n, *rest: real(d, other, *rest))
    (tmp_path / "x.onnx").write_bytes(b"old")
    with pytest.raises(ValueError, match="does not give torch's output"):
        export_network(network, {}, tmp_path / "x.onnx")
    assert (tmp_path / "x.onnx").read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [tmp_path / "x.onnx"]


def test_what_is_judged() -> None:
    check_parity(Parity(9e-5, 80), rounded=False, lowest_psnr=None)
    check_parity(Parity(1 / 255, 80), rounded=True, lowest_psnr=None)
    check_parity(Parity(0.1, 45.5), rounded=False, lowest_psnr=45)
    for parity, rounded, lowest in (
        (Parity(2e-4, 80), False, None),
        (Parity(2 / 255, 80), True, None),
        (Parity(0.01, 44), False, 45),
        (Parity(float("nan"), float("nan")), False, None),
        (Parity(float("nan"), float("nan")), False, 45),
    ):
        with pytest.raises(ValueError, match="no file was written"):
            check_parity(parity, rounded=rounded, lowest_psnr=lowest)


def test_the_network_itself_is_not_edited(network: TransformNet) -> None:
    before = {k: v.clone() for k, v in network.state_dict().items()}
    ExportWrapper(network, uint8=True, fp16=True)
    after = network.state_dict()
    assert all(
        torch.equal(before[k], after[k]) and after[k].dtype == v.dtype for k, v in before.items()
    )


def test_the_command(
    traced_once: None, network: TransformNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_transform(tmp_path / "x.safetensors", network, {})
    assert main(["export", str(tmp_path / "x.safetensors")]) == 0
    out = capsys.readouterr().out
    assert "largest difference" in out and "PSNR" in out
    assert (tmp_path / "x.onnx").is_file()
    before = (tmp_path / "x.onnx").read_bytes()
    for (name, *more), message in (
        (["none.safetensors"], "no such file"),
        (["x.safetensors"], "x.onnx exists already: add --overwrite"),
        (["x.safetensors", "--output", tmp_path], "x.onnx exists already"),
        (["x.safetensors", "--output", tmp_path / "x.safetensors"], "give the name of a .onnx"),
    ):
        status, error = run_here(capsys, "export", tmp_path / str(name), *more)
        assert status == 2 and message in error and error.count("\n") == 1
    assert (tmp_path / "x.onnx").read_bytes() == before
    for name, message in (
        ("vgg19", "vgg19 is a loss network, not a style network or depth network"),
        ("small", "small.safetensors: holds a 'loss_network', not a style"),  # of those that ship
    ):
        status, error = run_here(capsys, "export", name)
        assert status == 2 and message in error and error.count("\n") == 1
