"""The page in a browser: pictures, films, the camera, and every engine."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import fststyle
from fststyle.page import networks
from fststyle.page.build import page
from tests.conftest import picture
from tests.page.looking import Look

# Playwright leaves a pipe to be collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
LEVEL = 1
"""Of 255, by which rounding may differ between two engines."""
SIZE = (160, 120)
Looking = Callable[..., Look]


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    picture(2, *SIZE).save(path)
    return path


def distance(ours: np.ndarray, theirs: np.ndarray) -> int:
    assert ours.shape == theirs.shape
    return int(np.abs(ours.astype(int) - theirs).max())


@pytest.fixture(scope="module")
def starry(mapless: Path) -> Any:
    return fststyle.load_style(mapless, provider="cpu", threads=1)


def test_a_picture_is_the_programs(look: Looking, site: Path, photo: Path, starry: Any) -> None:
    seen = look(site)
    output = seen.take(photo)
    original = seen.pixels("before")
    np.testing.assert_array_equal(original, np.asarray(Image.open(photo)))
    assert distance(output, starry(original)) <= LEVEL
    assert seen.status.startswith("WebAssembly, ") and "160×120" in seen.status
    assert seen.page.inner_text("#message") == ""  # that there is no WebGPU here is no news


def test_sliders_set_what_the_programs_options_set(
    look: Looking, site: Path, photo: Path, starry: Any
) -> None:
    seen = look(site)
    whole = seen.take(photo)
    original = seen.pixels("before")
    half = seen.slide("strength", 50)
    assert distance(half, starry(original, strength=0.5)) <= LEVEL
    away = [np.abs(x.astype(int) - original).mean() for x in (whole, half)]
    assert away[0] > 1.5 * away[1] > 0
    np.testing.assert_array_equal(seen.slide("strength", 0), original)
    seen.slide("strength", 100)
    assert distance(seen.slide("keepColour", 100), starry(original, keep_color=True)) <= LEVEL
    np.testing.assert_array_equal(seen.changed(lambda: seen.page.click("[type=reset]")), whole)


def test_near_far_and_focus(look: Looking, site: Path, photo: Path, mapped: Path) -> None:
    seen = look(site)
    seen.take(photo)
    assert seen.page.is_disabled("input[name=near]")
    reason = "The Starry Night was trained without maps: it does not tell near from far."
    assert seen.page.inner_text("#unmapped") == reason
    seen.changed(lambda: seen.choose("x"))
    assert seen.page.is_enabled("input[name=near]") and seen.page.is_hidden("#unmapped")
    style: Any = fststyle.load_style(mapped, provider="cpu", threads=1)
    original = seen.pixels("before")
    for name, value, controls in (
        ("far", 100, {"near": 1.0, "far": 1.0}),
        ("near", 0, {"near": 0.0, "far": 1.0}),
        ("focus", 40, {"near": 0.0, "far": 1.0, "focus": 0.4}),
        ("far", 0, {"near": 0.0, "far": 0.0}),
    ):
        output = seen.slide(name, value)
        expected = style(original, **controls)
        # Maps differ in the third digit, by how depth's small pictures are rounded.
        assert distance(output, expected) <= LEVEL + 2 * (name in ("near", "focus"))
    seen.slide("near", 100)
    assert distance(seen.slide("focus", 0), style(original)) <= LEVEL + 2


def test_a_trained_map_keeps_what_it_is_to_keep(look: Looking, tmp_path: Path, photo: Path) -> None:
    page(tmp_path / "page", styles="great_wave_live")
    seen = look(tmp_path / "page")
    seen.take(photo)
    original = seen.pixels("before")
    nothing = seen.slide("near", 0)
    seen.slide("far", 100)
    everything = seen.slide("near", 100)
    stylize = fststyle.load_style("great_wave_live", provider="cpu", threads=1)
    by_depth = seen.slide("far", 0)
    assert distance(by_depth, stylize(original)) <= LEVEL + 2
    assert distance(nothing, stylize(original, near=0.0)) <= LEVEL
    assert distance(everything, stylize(original, near=1.0, far=1.0)) <= LEVEL
    changes = [np.abs(x.astype(int) - original).mean() for x in (nothing, everything)]
    assert changes[1] < changes[0]


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


def test_depth_is_shown(look: Looking, site: Path, photo: Path) -> None:
    seen = look(site)
    seen.take(photo)
    assert not seen.asked("/depth/")  # the network is loaded where it is needed
    seen.changed(lambda: seen.press("depth"))
    assert seen.page.is_visible("#depth")
    shape = seen.page.evaluate("((c) => [c.width, c.height])(depth.querySelector('canvas'))")
    assert shape == [side // 4 for side in SIZE]
    seen.press("depth")
    assert seen.page.is_hidden("#depth")


def test_before_and_after_by_the_keyboard(look: Looking, site: Path, photo: Path) -> None:
    seen = look(site)
    seen.take(photo)
    shown = "getComputedStyle(after).clipPath"
    assert seen.page.evaluate(shown) == "inset(0px 0px 0px 0%)"
    seen.page.focus(".actions [data-action=compare]")
    seen.page.keyboard.press("Enter")
    assert seen.page.evaluate(shown) == "inset(0px 0px 0px 50%)"
    seen.page.focus("#wipe")
    seen.page.keyboard.press("ArrowRight")
    assert seen.page.evaluate(shown) == "inset(0px 0px 0px 51%)"
    seen.page.keyboard.press("Home")
    assert seen.page.evaluate(shown) == "inset(0px 0px 0px 0%)"
    seen.page.focus("input[name=style]")
    seen.changed(lambda: seen.page.keyboard.press("ArrowRight"))
    assert seen.page.is_checked("input[value=x]")


def test_focus_goes_on_where_the_invitation_was(look: Looking, site: Path) -> None:
    seen = look(site)
    seen.page.focus("#empty [data-action=sample]")
    seen.changed(lambda: seen.page.keyboard.press("Enter"))
    assert seen.page.evaluate("document.activeElement.closest('.actions') !== null")
    assert seen.page.is_disabled(".actions [data-action=record]")  # nothing in it moves


def test_a_picture_is_dropped_and_saved(
    look: Looking, site: Path, photo: Path, tmp_path: Path
) -> None:
    seen = look(site)
    drop = """(bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(bytes)], 'a.png', { type: 'image/png' }));
        const event = { dataTransfer: data, bubbles: true, cancelable: true };
        stage.dispatchEvent(new DragEvent('drop', event));
    }"""
    output = seen.changed(lambda: seen.page.evaluate(drop, list(photo.read_bytes())))
    with seen.page.expect_download() as saved:
        seen.press("save")
    assert saved.value.suggested_filename == "starry.png"
    saved.value.save_as(tmp_path / "saved.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "saved.png"))[..., :3], output)


def test_what_cannot_be_read_is_said_and_the_page_goes_on(
    look: Looking, site: Path, photo: Path, tmp_path: Path
) -> None:
    seen = look(site)
    broken, narrow = tmp_path / "broken.jpg", tmp_path / "narrow.png"
    broken.write_bytes(b"no picture")
    picture(1, 64, 8).save(narrow)
    for file, message in (
        (broken, "broken.jpg is no picture or video that this browser can read."),
        (narrow, "A picture needs at least 16 pixels each way."),
    ):
        seen.page.evaluate("message.hidden = true")
        seen.page.set_input_files("#file", file)
        seen.until("!message.hidden")
        assert seen.page.inner_text("#message") == message
    seen.take(photo)
    assert seen.page.is_hidden("#message")


def test_the_camera_is_stylized_and_recorded(look: Looking, site: Path, tmp_path: Path) -> None:
    seen = look(site)
    seen.press("camera")
    seen.until("Number(after.dataset.pictures) >= 2")
    assert seen.page.get_attribute(".actions [data-action=camera]", "aria-pressed") == "true"
    assert " a second" in seen.status
    first = seen.pixels("after")
    assert first.std() > 10
    assert first.shape[1] / first.shape[0] == pytest.approx(16 / 9, rel=0.05)
    seen.press("record")
    recorded_from = seen.pictures
    seen.until(f"Number(after.dataset.pictures) >= {recorded_from + 4}")
    with seen.page.expect_download() as saved:
        seen.press("record")
    assert saved.value.suggested_filename == "starry.webm"
    saved.value.save_as(tmp_path / "film.webm")
    with av.open(str(tmp_path / "film.webm")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) >= 2 and frames[-1].std() > 10
    seen.press("camera")
    seen.until("view.hidden")
    assert seen.page.is_visible("#empty")


def write_film(path: Path, count: int = 12) -> None:
    """VP8, which every Chromium plays; it grows brighter."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libvpx", rate=12)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(count):
            pixels = np.asarray(picture(4, *SIZE)) // 2 + number * 8
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels.astype(np.uint8))))
        container.mux(stream.encode())


def test_a_film_plays_and_pauses(look: Looking, site: Path, tmp_path: Path) -> None:
    write_film(tmp_path / "film.webm")
    seen = look(site)
    seen.page.set_input_files("#file", tmp_path / "film.webm")
    seen.until("Number(after.dataset.pictures) >= 3 || !message.hidden")
    assert seen.page.inner_text("#message") == ""
    seen.press("pause")
    before = -1
    while before != seen.pictures:  # those in work are shown yet
        before = seen.pictures
        seen.page.wait_for_timeout(700)
    seen.changed(lambda: seen.page.fill("input[name=strength]", "0"))
    np.testing.assert_array_equal(seen.pixels("after"), seen.pixels("before"))
    assert seen.pictures == before + 1
    seen.press("pause")
    seen.until(f"Number(after.dataset.pictures) >= {before + 3}")


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


def test_without_a_connection_it_goes_on(look: Looking, site: Path, photo: Path) -> None:
    seen = look(site)
    first = seen.take(photo)
    seen.served.stop()
    seen.open()
    np.testing.assert_array_equal(seen.take(photo), first)
    # Another style was never loaded; that is said, and the one before is still there.
    seen.choose("x")
    seen.until("!message.hidden")
    assert "cannot be loaded: is there a connection?" in seen.page.inner_text("#message")
    assert seen.page.is_checked("input[value=starry]")
    np.testing.assert_array_equal(seen.slide("strength", 99).shape, first.shape)


def test_all_of_it_can_be_kept(look: Looking, site: Path, photo: Path) -> None:
    seen = look(site)
    seen.take(photo)
    seen.page.click("[data-action=keep]")
    seen.until("kept.textContent === 'All of it is kept.'")
    seen.served.stop()
    seen.open()
    seen.take(photo)
    seen.changed(lambda: seen.choose("x"))
    seen.changed(lambda: seen.press("depth"))
    assert seen.page.is_visible("#depth")


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


def test_without_the_depth_network_pictures_come_all_the_same(
    look: Looking, tmp_path: Path, photo: Path
) -> None:
    page(tmp_path / "page", styles="great_wave_live")
    (tmp_path / "page" / "depth" / "fast.onnx").unlink()
    seen = look(tmp_path / "page", service_workers="block")
    seen.page.set_input_files("#file", photo)
    seen.until("Number(after.dataset.pictures ?? 0) > 0")
    assert "Near and far are alike for now: " in seen.page.inner_text("#message")
    style = fststyle.load_style("great_wave_live", provider="cpu", threads=1)
    stylized = style(seen.pixels("before"), near=0.0)
    assert distance(seen.pixels("after"), stylized) <= LEVEL


def test_a_page_that_is_not_whole_says_so(look: Looking, site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "page")
    (tmp_path / "page" / "page.json").unlink()
    seen = look(tmp_path / "page", service_workers="block", empty=True)
    seen.until("!message.hidden")
    assert "page.json: the server answered 404" in seen.page.inner_text("#message")
    assert seen.status.startswith("Not started")


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
