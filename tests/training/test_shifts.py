import torch

from fststyle.losses.functional import stability_loss
from fststyle.networks.transform import STRIDE, TransformNet
from fststyle.training.shifts import SHIFTS, phase_crop, translate


def test_shifts_visit_every_place_of_the_pooling_grid() -> None:
    images = torch.arange(20 * 24.0).view(1, 1, 20, 24)
    cuts = [phase_crop(images, step) for step in range(SHIFTS**2)]
    assert {cut.shape for cut in cuts} == {(1, 1, 12, 16)}
    corners = {(int(c[0, 0, 0, 0]) // 24, int(c[0, 0, 0, 0]) % 24) for c in cuts}
    assert corners == {(top, left) for top in range(8) for left in range(8)}


def test_moved_images_are_the_same_elsewhere() -> None:
    images = torch.rand(2, 3, 20, 24)
    there = translate(images, (2, 3))
    assert torch.equal(there[..., 2:, 3:], images[..., :-2, :-3])
    assert torch.equal(there[..., 0, 3:], images[..., 2, :-3]) and there.shape == images.shape


def test_what_a_network_makes_moves_by_its_stride() -> None:
    torch.manual_seed(0)
    network, images = TransformNet(4).eval(), torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        before = network(images)
        by_1, by_4 = (
            stability_loss(before, network(translate(images, (0, n))), (0, n), 24).item()
            for n in (1, STRIDE)
        )
    assert by_4 < 0.01 * by_1
