import re
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from fststyle.inference.stylizer import Stylizer
from fststyle.sessions import session
from tests.conftest import picture

BUILDS = {dist.name.replace("-", "_") for dist in metadata.distributions()}


@pytest.fixture
def model(exported: Callable[..., Path]) -> Path:
    return exported(uint8=True)


def test_files_and_providers_that_cannot_be_used(model: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        Stylizer(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged, or no ONNX file"):
        Stylizer(tmp_path / "bad.onnx")
    with pytest.raises(ValueError, match="--provider abacus: unknown; use auto"):
        Stylizer(model, "abacus")
    with pytest.raises(ValueError, match="--provider coreml: not in this build|failed to start"):
        Stylizer(model, "coreml" if sys.platform != "darwin" else "cuda")


@pytest.mark.skipif("onnxruntime_gpu" not in BUILDS, reason="needs ONNX Runtime's GPU build")
def test_a_provider_that_fails_says_why(model: Path) -> None:
    """TensorRT is in the build, its libraries are not on the machine."""
    with pytest.raises(
        ValueError, match="tensorrt provider failed to start .*(libnvinfer|TensorRT)"
    ):
        Stylizer(model, "tensorrt")


def test_what_is_fed_is_contiguous() -> None:
    frames = np.asarray(picture(0, 50, 37))[None]
    for uint8 in (False, True):
        fed = session.as_fed(frames[:, :, 3:], uint8)
        assert fed.flags.c_contiguous and np.shape(fed) == (
            (1, 37, 47, 3) if uint8 else (1, 3, 37, 47)
        )


def test_a_worse_provider_is_taken_when_a_better_one_fails(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "_providers_to_try", lambda provider: ["openvino", "cpu"])
    assert Stylizer(model).provider == "cpu"
    assert re.search(r"openvino provider failed to start \(.+\)", capsys.readouterr().err)
