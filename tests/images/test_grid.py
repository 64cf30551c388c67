from fststyle.images.grid import sheet
from tests.conftest import picture


def test_a_sheet_aligns_its_columns() -> None:
    drawn = sheet([[picture(0, 64, 64), picture(1, 32, 64)]] * 2, height=64, titles=["a", "b"])
    assert drawn.size == (8 + 64 + 8 + 32 + 8, 28 + 2 * (64 + 8) + 8)
    assert drawn.crop((8, 36, 72, 100)).tobytes() == picture(0, 64, 64).tobytes()
