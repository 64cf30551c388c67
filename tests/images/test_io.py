import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from fststyle.images.io import as_rgb, read_image, write_image
from tests.conftest import picture


def same(image: Image.Image, expected: Image.Image, tolerance: int = 0) -> bool:
    difference = np.asarray(image).astype(int) - np.asarray(expected).astype(int)
    return bool(np.abs(difference).max() <= tolerance)


def test_every_mode_arrives_as_rgb(tmp_path: Path) -> None:
    rgb = picture(0)
    grey = rgb.convert("L")
    wide = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    cases = {
        "grey.png": (grey, grey.convert("RGB"), 0),
        "wide.png": (wide, grey.convert("RGB"), 0),
        "wide.tif": (wide, grey.convert("RGB"), 0),
        "integer.tif": (Image.fromarray(np.asarray(wide).astype(np.int32)), grey.convert("RGB"), 0),
        "float.tif": (Image.fromarray(np.asarray(grey) / np.float32(255)), grey.convert("RGB"), 1),
        "cmyk.tif": (rgb.convert("CMYK"), rgb, 1),
        "palette.png": (rgb.quantize(256), rgb.quantize(256).convert("RGB"), 0),
        "bilevel.png": (grey.convert("1"), grey.convert("1").convert("RGB"), 0),
        "plain.webp": (rgb, rgb, 40),
    }
    for name, (image, expected, tolerance) in cases.items():
        image.save(tmp_path / name)
        found = read_image(tmp_path / name)
        assert found.mode == "RGB", name
        assert same(found, expected, tolerance), name


def test_transparency_is_laid_on_white_or_kept(tmp_path: Path) -> None:
    image = picture(0).convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    image.save(tmp_path / "clear.png")
    assert same(read_image(tmp_path / "clear.png"), Image.new("RGB", image.size, "white"))
    assert same(read_image(tmp_path / "clear.png", alpha=True), image)
    picture(0).save(tmp_path / "opaque.png")
    assert read_image(tmp_path / "opaque.png", alpha=True).mode == "RGB"


def test_grey_that_is_multiplied_by_its_alpha_is_taken() -> None:
    image = picture(0).convert("LA")
    image.putalpha(255)
    assert same(as_rgb(image.convert("La"), alpha=True), image.convert("RGBA"))
    assert same(as_rgb(image.convert("La")), image.convert("RGB"))


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    picture(0).save(tmp_path / "lying.png", exif=exif)
    assert same(read_image(tmp_path / "lying.png"), picture(0).rotate(-90, expand=True))


def test_large_jpegs_are_decoded_at_a_reduced_size(tmp_path: Path) -> None:
    picture(0, 800, 600).save(tmp_path / "large.jpg")
    assert read_image(tmp_path / "large.jpg", at_least=100).size == (200, 150)
    assert read_image(tmp_path / "large.jpg").size == (800, 600)


def test_damaged_files_give_one_line_with_their_name(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    for name, content in {"cut.jpg": whole[:300], "no.png": b"not a picture", "0.gif": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name) as error:
            read_image(tmp_path / name)
        assert "\n" not in str(error.value)


def test_pictures_are_written_in_the_format_of_their_suffix(tmp_path: Path) -> None:
    rgba = picture(0).convert("RGBA")
    rgba.putalpha(128)
    for suffix, name in {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".TIF": "TIFF"}.items():
        write_image(rgba, tmp_path / f"x{suffix}")
        with Image.open(tmp_path / f"x{suffix}") as written:
            assert written.format == name
            assert written.has_transparency_data == (name != "JPEG")
    with pytest.raises(ValueError, match="cannot write .xyz"):
        write_image(rgba, tmp_path / "x.xyz")


def test_colors_of_another_profile_become_srgb(tmp_path: Path) -> None:
    """A profile whose red and green primaries are exchanged: its red is sRGB's green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")
    path = tmp_path / "photo.png"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path, icc_profile=swapped)
    assert read_image(path).getpixel((0, 0)) == (255, 0, 0)
    assert read_image(path).info["icc_profile"] == swapped
    converted = read_image(path, srgb=True)
    assert np.abs(np.subtract(np.array(converted)[0, 0], (0, 255, 0), dtype=int)).max() <= 2
    assert "icc_profile" not in converted.info
    transparent = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    transparent.save(path, icc_profile=swapped)
    assert np.array(read_image(path, srgb=True, alpha=True))[0, 0, 3] == 128
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path, icc_profile=b"nonsense")
    assert read_image(path, srgb=True).getpixel((0, 0)) == (255, 0, 0)


def test_a_disk_that_takes_less_leaves_no_picture(tmp_path: Path) -> None:
    """Of every kind: Pillow's JPEG encoder does not see it where it writes to the file itself."""
    script = """
import resource, sys
from pathlib import Path
import numpy as np
from PIL import Image
from fststyle.images.io import write_image
pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))
for suffix in ("jpg", "png", "webp"):
    try:
        write_image(Image.fromarray(pixels), Path(sys.argv[1], f"a.{suffix}"))
    except OSError:
        print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["refused"] * 3 and not list(tmp_path.iterdir())
