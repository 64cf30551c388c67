import pytest

from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.loading import shipped


@pytest.mark.parametrize("width", [32, 8])
def test_the_base_of_each_width_ships_and_says_what_it_was_made_from(width: int) -> None:
    name = f"base_{width}"
    model = load(name, STYLE)
    assert model.network.width == width
    assert shipped()[name].stat().st_size < 3.6e6
    assert len(model.card["style"]) == 12 and model.card["photo_order"]
    assert not {"great_wave.jpg", "the_scream.jpg", "udnie.jpg"} & {
        painting["name"] for painting in model.card["style"]
    }
