from fststyle.images.grid import captioned, sheet
from tests.conftest import picture


def test_a_sheet_aligns_its_columns() -> None:
    drawn = sheet([[picture(0, 64, 64), picture(1, 32, 64)]] * 2, height=64, titles=["a", "b"])
    assert drawn.size == (8 + 64 + 8 + 32 + 8, 28 + 2 * (64 + 8) + 8)
    assert drawn.crop((8, 36, 72, 100)).tobytes() == picture(0, 64, 64).tobytes()


def test_a_caption_stands_below_its_picture() -> None:
    image = picture(0, 64, 40)
    drawn = captioned(image, "x")
    assert drawn.size == (64, 62)
    assert drawn.crop((0, 0, 64, 40)).tobytes() == image.tobytes()
    assert len(set(drawn.crop((0, 40, 64, 62)).convert("L").tobytes())) > 1
