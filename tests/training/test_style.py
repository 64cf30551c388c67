import torch

from fststyle.training.style import SHIFTS, shifted


def test_shifts_visit_every_place_of_the_pooling_grid() -> None:
    images = torch.arange(20 * 24.0).view(1, 1, 20, 24)
    cuts = [shifted(images, step) for step in range(SHIFTS**2)]
    assert {cut.shape for cut in cuts} == {(1, 1, 12, 16)}
    corners = {(int(c[0, 0, 0, 0]) // 24, int(c[0, 0, 0, 0]) % 24) for c in cuts}
    assert corners == {(top, left) for top in range(8) for left in range(8)}
