import pytest

from fststyle.images.geometry import centre_box, fit_within, size_of_area
from tests.conftest import picture


def test_fit_within_only_reduces() -> None:
    assert fit_within(picture(0), 32).size == (32, 24)
    assert fit_within(picture(0), 100).size == (64, 48)


def test_sizes_of_an_area_keep_proportions() -> None:
    assert size_of_area((1600, 900), 256) == (336, 192)
    assert size_of_area((900, 1600), 256) == (192, 336)
    assert size_of_area((100, 60), 256) == (96, 64), "nothing is enlarged"
    assert size_of_area((100, 60), 256, enlarge=True) == (336, 192)
    assert size_of_area((4000, 10), 64)[1] == 32, "networks need so many pixels"


@pytest.mark.parametrize(
    ("aspect", "box"), [(1, (10, 0, 50, 40)), (2, (0, 5, 60, 35)), (1.5, (0, 0, 60, 40))]
)
def test_the_largest_box_lies_in_the_middle(aspect: float, box: tuple[float, ...]) -> None:
    assert centre_box(60, 40, aspect) == pytest.approx(box)
