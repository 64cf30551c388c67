from types import SimpleNamespace
from typing import Any

import torch

from fststyle.training.style_task import StyleTask, change_of_map


def test_vgg_compares_in_the_last_part() -> None:
    def compares(done: float, first: str | None) -> Any:
        task: Any = SimpleNamespace(
            first_objective=first,
            objective="vgg19",
            config=SimpleNamespace(vgg_part=0.4),
            state=SimpleNamespace(progress=lambda config: (done, 10)),
        )
        return StyleTask.current_objective(task)

    assert [compares(done, "small") for done in (0, 5.9, 6, 10)] == ["small"] * 2 + ["vgg19"] * 2
    assert compares(0, None) == "vgg19"


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
