"""What a visitor of the page does in a browser: pictures, films and the camera."""

import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import fststyle
from fststyle.page.build import page
from tests.conftest import picture
from tests.page.looking import LEVEL, SIZE, Looking, distance

# Playwright leaves a pipe to be collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


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
    # Tones are rounded on both sides; maps differ in the third digit, by how depth's small pictures
    # are rounded.
    for name, value, controls, more in (
        ("far", 100, {"near": 1.0, "far": 1.0}, 1),
        ("near", 0, {"near": 0.0, "far": 1.0}, 2),
        ("focus", 40, {"near": 0.0, "far": 1.0, "focus": 0.4}, 2),
        ("far", 0, {"near": 0.0, "far": 0.0}, 0),
    ):
        output = seen.slide(name, value)
        expected = style(original, **controls)
        assert distance(output, expected) <= LEVEL + more
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


def test_without_the_depth_network_pictures_come_all_the_same(
    look: Looking, tmp_path: Path, photo: Path
) -> None:
    page(tmp_path / "page", styles="great_wave_live")
    (tmp_path / "page" / "depth" / "fast.onnx").unlink()
    seen = look(tmp_path / "page", service_workers="block")
    seen.page.set_input_files("#file", photo)
    seen.until("stage.ariaBusy !== 'true' && Number(after.dataset.pictures ?? 0) > 1")
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
