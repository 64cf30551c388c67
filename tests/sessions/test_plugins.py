"""Execution providers that are packages of their own."""

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from fststyle.inference.stylizer import Stylizer
from fststyle.sessions.plugins import PLUGINS, device_of
from tests.conftest import picture, run_command

SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
"""Vulkan computed by the processor, in Debian's chromium-common."""


@pytest.fixture
def model(exported: Callable[..., Path]) -> Path:
    return exported(uint8=True)


Install = Callable[[str], list[tuple[str, ...]]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(ep_name)``: a stand-in for WebGPU's package whose provider has that name; returns
    what is registered with ONNX Runtime from then on, and taken back."""

    def stand_in(ep_name: str) -> list[tuple[str, ...]]:
        calls: list[tuple[str, ...]] = []
        package = SimpleNamespace(get_library_path=lambda: "/it.so", get_ep_name=lambda: ep_name)
        monkeypatch.setitem(sys.modules, PLUGINS["webgpu"], package)
        for name in ("register", "unregister"):
            monkeypatch.setattr(
                onnxruntime,
                f"{name}_execution_provider_library",
                lambda *given, name=name: calls.append((name, *given)),
            )
        return calls

    device_of.cache_clear()
    yield stand_in
    device_of.cache_clear()


def test_a_plugin_is_registered_once_and_computes(install: Install, model: Path) -> None:
    """The stand-in's provider is the CPU's, which ONNX Runtime finds among devices, too."""
    calls = install("CPUExecutionProvider")
    frames = np.asarray(picture(0))[None]
    plain = Stylizer(model, "cpu").run(frames)
    for _ in range(2):
        stylize = Stylizer(model, "webgpu")
        assert stylize.provider == "webgpu"
        assert np.abs(stylize.run(frames).astype(int) - plain).max() <= 1
        assert stylize.run(frames, strength=0.5).shape == frames.shape
    assert calls == [("register", "webgpu", "/it.so")]


def test_a_plugin_without_a_device_is_taken_back(install: Install, model: Path) -> None:
    calls = install("NoneExecutionProvider")
    with pytest.raises(ValueError, match="--provider webgpu: .* finds no device"):
        Stylizer(model, "webgpu")
    assert calls == [("register", "webgpu", "/it.so"), ("unregister", "webgpu")]


@pytest.mark.parametrize("provider", PLUGINS)
def test_what_is_missing_is_said(
    provider: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device_of.cache_clear()
    monkeypatch.setitem(sys.modules, PLUGINS[provider], None)
    package = PLUGINS[provider].replace("_", "-")
    with pytest.raises(ValueError, match=f"not installed: pip install {package}"):
        Stylizer(model, provider)
    library = str(tmp_path / "none.so")
    package_module = SimpleNamespace(get_library_path=lambda: library, get_ep_name=lambda: "x")
    monkeypatch.setitem(sys.modules, PLUGINS[provider], package_module)
    with pytest.raises(ValueError, match="Failed to load library .*none.so"):
        Stylizer(model, provider)
    monkeypatch.delattr(onnxruntime, "register_execution_provider_library")
    with pytest.raises(ValueError, match=r"takes no plugins: 1.24 does"):
        Stylizer(model, provider)


@pytest.mark.skipif(
    importlib.util.find_spec(PLUGINS["webgpu"]) is None,
    reason="WebGPU's provider is missing: pip install '.[webgpu]'",
)
def test_webgpu_makes_the_same_picture(tmp_path: Path) -> None:
    """In a process of its own, since what Vulkan computes on is asked for once; of a style in half
    precision, which SwiftShader lacks."""
    photo, software = tmp_path / "photo.png", {"ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1"}
    if SWIFTSHADER.exists():
        software["VK_ICD_FILENAMES"] = str(SWIFTSHADER)
    picture(0, 40, 24).save(photo)
    made = {}
    for provider in ("cpu", "webgpu"):
        target = tmp_path / f"{provider}.png"
        options = ("--provider", provider, "--output", target)
        done = run_command("infer", "starry_night_live", photo, *options, env=software)
        if re.search("No supported adapters|it finds no device", done.stderr):
            pytest.skip(f"WebGPU has no adapter here, nor is there a {SWIFTSHADER}")
        assert done.returncode == 0, done.stderr
        assert f"provider {provider}" in done.stdout
        made[provider] = np.asarray(Image.open(target), int)
    assert np.abs(made["webgpu"] - made["cpu"]).max() <= 1
