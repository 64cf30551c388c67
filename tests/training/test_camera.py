"""Moves of a camera, whose motion is known."""

import numpy as np
import torch
import torch.nn.functional as F

from fststyle.images.flow import followed, optical_flow
from fststyle.losses.functional import followed_loss
from fststyle.training.camera import (
    MARGIN,
    PARALLAX,
    camera_move,
    drawn_relief,
    seen,
    with_noise,
)
from fststyle.utils.tensors import as_tensor
from tests.conftest import picture


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def coordinates(height: int, width: int) -> torch.Tensor:
    """1×2×H×W: x and y of every pixel."""
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack((across, down))[None].float()


def test_every_pixel_comes_from_where_the_move_says() -> None:
    relief = torch.full((3, 1, 80, 96), 0.5)
    move = camera_move(relief, random())
    where = seen(coordinates(80, 96).expand(3, -1, -1, -1), move)
    half = torch.tensor((47.5, 39.5))
    told = ((move.grid + 1) * half).permute(0, 3, 1, 2)
    assert ((where - told) * move.valid).abs().max() < 0.05
    assert set(move.valid.unique().tolist()) == {0.0, 1.0}
    assert not move.valid[..., :MARGIN].any() and not move.valid[..., -MARGIN:, :].any()
    # All three move, each otherwise, none by a whole number of pixels.
    offsets = (told - coordinates(80, 96))[:, :, 40, 48]
    assert len({tuple(o) for o in offsets.round(decimals=3).tolist()}) == 3
    assert (offsets - offsets.round()).abs().max() > 0.05
    again = camera_move(relief, random())
    assert torch.equal(again.grid, move.grid)


def test_what_is_near_moves_otherwise_and_what_it_hides_is_left_out() -> None:
    relief = torch.zeros(8, 1, 96, 96)
    relief[..., 48:] = 1
    flat = camera_move(torch.zeros(8, 1, 96, 96), random())
    move = camera_move(relief, random())
    apart = (move.grid - flat.grid) * 47.5
    # Both halves differ by the parallax, half of it to either side of what has none.
    for image in range(8):
        near = apart[image, 20:76, 70:76].mean((0, 1))
        assert near.abs().max() <= PARALLAX + 0.01
        if near.abs().max() > 3:  # the edge itself has moved, too, by up to 10 pixels
            gap = flat.valid[image, 0, 40:56, 30:66] - move.valid[image, 0, 40:56, 30:66]
            assert (gap.sum(1) >= 3).all()


def test_a_photo_is_followed_as_optical_flow_would_follow_it() -> None:
    photo = picture(3, 160, 128)
    content = as_tensor(photo)
    drawn = random(4)
    move = camera_move(drawn_relief(content, drawn), drawn)
    assert move.valid.mean() > 0.4
    moved = (seen(content, move)[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).astype(np.uint8)
    flow = optical_flow(moved, np.asarray(photo))
    there = (move.grid[0] * torch.tensor((79.5, 63.5))).numpy()
    here = (coordinates(128, 160)[0] - torch.tensor((79.5, 63.5))[:, None, None]).numpy()
    valid = move.valid[0, 0].numpy() > 0
    valid &= followed(flow, optical_flow(np.asarray(photo), moved))
    error = np.abs(flow - (there - here.transpose(1, 2, 0)))[valid]
    assert np.median(error) < 0.3


def test_the_loss_is_of_what_does_not_move_along() -> None:
    content = as_tensor(picture(1, 96, 80))
    drawn = random(2)
    move = camera_move(drawn_relief(content, drawn), drawn)
    negative = followed_loss(seen(1 - content, move), 1 - seen(content, move), move.valid)
    assert negative < 1e-9
    grid = torch.zeros_like(content)
    grid[..., ::2] = 0.5
    bound = followed_loss(seen(content + grid, move), seen(content, move) + grid, move.valid)
    assert 0.02 < bound < 0.2
    nothing = torch.zeros_like(move.valid)
    assert followed_loss(content, 1 - content, nothing) == 0
    outputs = [torch.rand(1, 2, 6, 6, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    valid = (torch.rand(1, 1, 6, 6, dtype=torch.float64) > 0.5).double()
    assert torch.autograd.gradcheck(lambda a, b: followed_loss(a, b, valid), outputs)


def test_noise_is_small_grey_in_part_coarse_and_another_every_time() -> None:
    images = torch.full((2, 3, 32, 32), 0.5)
    drawn = random()
    first, second = (with_noise(images, 2, drawn) - images for _ in range(2))
    assert 0.9 / 255 < first.std() < 1.4 / 255 and first.abs().max() <= 2 / 255 + 1e-6
    assert torch.equal(first[:, 0], first[:, 2]) and not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert F.avg_pool2d(first, 4).std() > 0.5 * first.std()  # fine grain alone: a quarter
    assert with_noise(images, 0, drawn) is images


def test_most_of_a_crop_can_be_followed() -> None:
    shares = []
    for seed in range(8):
        relief = drawn_relief(torch.zeros(1, 3, 256, 256), random(seed))
        shares.append(camera_move(relief, random(seed)).valid.mean().item())
    assert min(shares) > 0.3 and np.mean(shares) > 0.55
