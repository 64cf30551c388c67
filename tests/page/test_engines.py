"""The page's engines in a browser: which one computes, and what becomes of it when it fails."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fststyle.page import networks
from fststyle.page.build import page
from tests.conftest import picture
from tests.page.looking import LEVEL, Looking, distance

# Playwright leaves a pipe to be collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_the_pages_kernels_compute_unless_they_cannot(
    look: Looking, site: Path, photo: Path, tmp_path: Path
) -> None:
    seen = look(site)
    output = seen.take(photo)
    assert seen.asked("/engine/relaxed.wasm") and seen.asked("/styles/starry.f32.gz")
    assert not seen.asked("/engine/cpu.") and not seen.asked("/styles/starry.onnx")
    seen.changed(lambda: seen.choose("x"))  # of width 4
    assert seen.asked("/engine/cpu.wasm.gz") and seen.asked("/styles/x.onnx")
    shutil.copytree(site, tmp_path / "page")
    for name, taken in (("relaxed", "transform.wasm"), ("transform", "cpu.wasm.gz")):
        (tmp_path / "page" / "engine" / f"{name}.wasm").write_bytes(b"\0asm of a later day")
        older = look(tmp_path / "page", "?engine=single")
        assert distance(older.take(photo), output) <= LEVEL
        assert older.asked(f"/engine/{taken}")


def test_pictures_of_other_sizes_follow_one_another(
    look: Looking, site: Path, tmp_path: Path, starry: Any
) -> None:
    """In the same memory, which grows."""
    seen = look(site, "?engine=threads")
    for size in ((61, 47), (16, 19), (400, 300), (33, 90)):
        picture(3, *size).save(tmp_path / "next.png")
        output = seen.take(tmp_path / "next.png")
        assert distance(output, starry(seen.pixels("before"))) <= LEVEL


def test_kernels_go_on_after_a_picture_that_memory_did_not_suffice_for(
    look: Looking, site: Path
) -> None:
    seen = look(site)
    far, message = seen.page.evaluate(
        """async () => {
            const { Transform, numbersOf } = await import('./transform.js');
            const { fetchBytes } = await import('./load.js');
            const transform = await Transform.open(1, (file) => fetchBytes(file));
            const numbers = numbersOf(await fetchBytes('styles/starry.f32.gz'));
            const style = { numbers, width: 8, mapped: false };
            const picture = (side) => ({
              values: new Uint8Array(3 * 64 * 48).fill(90), width: side, height: 48 });
            const map = { values: Float32Array.of(0), width: 1, height: 1 };
            const run = (side) => transform.run(
              style, picture(side), { strength: 1, keepColour: 0 }, map);
            const first = run(64);
            let message = '';
            const { grow } = WebAssembly.Memory.prototype;
            WebAssembly.Memory.prototype.grow = () => { throw new Error('no more memory'); };
            try { run(6000); } catch (error) { message = error.message; }
            WebAssembly.Memory.prototype.grow = grow;
            const second = run(64);
            return [Math.max(...first.map((value, i) => Math.abs(value - second[i]))), message];
        }"""
    )
    assert far == 0 and message == "no more memory"


def test_who_asks_a_worker_that_ended_is_told_so(look: Looking, site: Path) -> None:
    seen = look(site)
    told = seen.page.evaluate(
        """async () => {
            const { Called } = await import('./calls.js');
            const called = new Called('worker.js', () => {});
            const first = called.ask('start').catch((error) => error.message);
            called.end('gone');
            return [await first, await called.ask('load').catch((error) => error.message)];
        }"""
    )
    assert told == ["gone", "gone"]


def test_threads_where_the_server_sends_the_headers(
    look: Looking, site: Path, photo: Path, starry: Any
) -> None:
    seen = look(site, "?engine=threads")
    output = seen.take(photo)
    assert seen.status.startswith("WebAssembly, ") and " threads" in seen.status
    assert distance(output, starry(seen.pixels("before"))) <= LEVEL


def test_threads_where_the_service_worker_adds_the_headers(
    look: Looking, site: Path, photo: Path
) -> None:
    seen = look(site, "?engine=threads", plain=True)
    seen.until("crossOriginIsolated")
    seen.page.wait_for_selector(".card")
    seen.take(photo)
    assert " threads" in seen.status


def test_one_thread_where_a_page_is_not_isolated(look: Looking, site: Path, photo: Path) -> None:
    seen = look(site, "?engine=threads", plain=True, service_workers="block")
    seen.take(photo)
    assert seen.status.startswith("WebAssembly, one thread")
    assert seen.page.evaluate("crossOriginIsolated") is False


def test_an_engine_that_could_not_be_loaded_is_asked_for_again(
    look: Looking, site: Path, photo: Path, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "page")
    engine = tmp_path / "page" / "engine" / "relaxed.wasm"
    engine.rename(tmp_path / "taken.wasm")
    seen = look(tmp_path / "page", service_workers="block")
    seen.until("!message.hidden")
    assert "engine/relaxed.wasm: the server answered 404" in seen.page.inner_text("#message")
    (tmp_path / "taken.wasm").rename(engine)
    seen.take(photo)


def test_a_gpu_that_the_processor_computes_is_passed_over(
    look: Looking, site: Path, photo: Path, gpu_chromium: Any
) -> None:
    seen = look(site, browser=gpu_chromium)
    seen.take(photo)
    assert seen.status.startswith("WebAssembly, ")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture for a GPU that the processor computes."""
    path = tmp_path_factory.mktemp("small") / "small.png"
    picture(5, 48, 32).save(path)
    return path


@pytest.mark.slow
def test_webgpu_and_what_becomes_of_it_when_it_fails(
    look: Looking, site: Path, small: Path, gpu_chromium: Any, starry: Any
) -> None:
    seen = look(site, "?engine=webgpu", browser=gpu_chromium)
    output = seen.take(small)
    if not seen.status.startswith("WebGPU"):
        pytest.skip(f"this Chromium has no WebGPU: {seen.page.inner_text('#message')}")
    original = seen.pixels("before")
    assert distance(output, starry(original)) <= LEVEL
    (worker,) = seen.page.workers
    lost = "() => { GPUQueue.prototype.submit = () => { throw new Error('the device is lost'); }; }"
    worker.evaluate(lost)
    half = seen.slide("strength", 50)
    assert seen.status.startswith("WebAssembly, ")
    assert "WebGPU failed (" in seen.page.inner_text("#message")
    assert distance(half, starry(original, strength=0.5)) <= LEVEL


def test_a_network_that_the_gpu_cannot_run_falls_back(
    look: Looking, tmp_path: Path, small: Path, gpu_chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-precision arithmetic, as in the files that ship, which needs shader-f16."""
    with monkeypatch.context() as patched:
        patched.setattr(networks, "as_float32", lambda model: model)
        patched.setattr(networks, "halve_weights", lambda model: None)
        page(tmp_path / "page", styles="starry_night_live")
    seen = look(tmp_path / "page", "?engine=webgpu", browser=gpu_chromium)
    seen.take(small)
    assert seen.status.startswith("WebAssembly, ")
    assert "WebGPU failed (" in seen.page.inner_text("#message")


def test_an_engine_that_computes_something_else_is_not_believed(
    look: Looking, site: Path, tmp_path: Path, photo: Path
) -> None:
    shutil.copytree(site, tmp_path / "page")
    catalogue = tmp_path / "page" / "page.json"
    content = json.loads(catalogue.read_text(encoding="utf-8"))
    content["styles"][0]["expected"] = content["styles"][1]["expected"]
    catalogue.write_text(json.dumps(content), encoding="utf-8")
    seen = look(tmp_path / "page", "?engine=threads")
    seen.page.set_input_files("#file", photo)
    seen.until("!message.hidden")
    assert "it computes something else: " in seen.page.inner_text("#message")
    assert seen.pictures == 0
