from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fststyle.config import StyleTrainConfig
from fststyle.training.seen_again import change_of_map, seen_again


def changes(network: Any, *, maps: bool = True, **options: Any) -> dict[str, float]:
    """What ``seen_again`` says of a function of images, and of maps."""
    config = StyleTrainConfig(style=(Path("a"),), content=Path("b"), name="c", **options)
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 4, 3, 3, generator=random)
    smooth = F.interpolate(coarse, (96, 128), mode="bilinear")
    images, weight_map = smooth[:, :3], smooth[:, 3:]
    inputs = [images, weight_map] if maps else [images]
    again = seen_again(inputs, weight_map, config, 3, random)
    output = network(*inputs)
    return {n: seen.change(output, network(*seen.inputs)).item() for n, seen in again.items()}


def in_place(images: Tensor, *maps: Tensor) -> Tensor:
    """A picture that stays where it is whatever moves."""
    down, across = (torch.linspace(0, 1, side) for side in images.shape[-2:])
    return images * (down[:, None] + across)


@pytest.mark.parametrize("moves", ["camera", "shifts"])
def test_what_moves_along_does_not_change(moves: str) -> None:
    still = changes(lambda images, _: images, stability_moves=moves)
    assert still.keys() == {"stability", "locality"}
    # A camera's picture is filtered, and has the noise of its sensor.
    assert still["stability"] < (1e-4 if moves == "camera" else 1e-9)
    assert still["locality"] == 0
    assert changes(in_place, stability_moves=moves)["stability"] > 2e-5


def test_a_map_that_is_felt_everywhere_is_a_change() -> None:
    def everywhere(images: Tensor, weight_map: Tensor) -> Tensor:
        return images + weight_map.mean()

    def in_its_place(images: Tensor, weight_map: Tensor) -> Tensor:
        return images + weight_map

    assert changes(everywhere)["locality"] > 1e-3
    assert changes(in_its_place)["locality"] == 0


def test_what_has_no_weight_is_not_seen() -> None:
    assert changes(in_place, stability_weight=0.0).keys() == {"locality"}
    assert changes(in_place, locality_weight=0.0).keys() == {"stability"}
    assert changes(in_place, maps=False).keys() == {"stability"}


def test_a_map_changes_along_every_side_in_turn() -> None:
    weight_map = torch.full((2, 1, 40, 80), 0.2)
    weight_map[1] = 0.9
    sides = []
    for step in range(4):
        changed, kept = change_of_map(weight_map, step)
        moved = changed != weight_map
        assert torch.equal(changed[0][moved[0]].unique(), torch.ones(1))
        assert torch.equal(changed[1][moved[1]].unique(), torch.zeros(1))
        assert not moved[kept].any() and 0.35 < moved.float().mean() < 0.45
        assert 0.4 < weight_map[kept].numel() / weight_map.numel() < 0.55
        sides.append(moved[0, 0].nonzero().float().mean(0).tolist())
    assert sides[0][0] < 20 < sides[1][0] and sides[2][1] < 40 < sides[3][1]
    assert (weight_map[0] == 0.2).all(), "the map itself stays"
