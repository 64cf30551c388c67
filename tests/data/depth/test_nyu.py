import sys
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from fststyle.data.depth.crops import DepthCrops
from fststyle.data.depth.datasets import open_depth
from fststyle.data.loader import Batch, SampleNumbers, load_batches
from tests.data.depth.depth_files import first_depth, write_nyu


@pytest.fixture
def nyu(tmp_path: Path) -> Path:
    return write_nyu(tmp_path / "nyu")


def test_nyu_mat(nyu: Path) -> None:
    for where in (nyu, nyu.parent):
        data = open_depth(f"nyu={where}")
        assert data.items == ["0001", "0002", "0003"] and data.metric
    image, depth = data.read("0003")
    assert image.size == (5, 4) and depth.shape == (4, 5) and depth.dtype == np.float32
    with h5py.File(nyu) as file:
        np.testing.assert_array_equal(np.asarray(image)[1, 2], file["images"][2, :, 2, 1])
        assert depth[1, 2] == file["depths"][2, 2, 1]
    assert np.isnan(first_depth(data)[0, 0])  # 0 m
    with pytest.raises(ValueError, match="mat: picture 0002: an empty depth map"):
        data.read("0002")
    assert open_depth(f"nyu={nyu}@1:").items == ["0002", "0003"]


def test_nyu_mat_in_worker_processes(nyu: Path) -> None:
    def batches(workers: int) -> list[Batch]:
        crops = DepthCrops([open_depth(f"nyu={nyu}")], [1], (16, 16), 2, seed=0)
        loader = load_batches(crops, SampleNumbers(0, 2, 1, 0, 1), workers, False)
        return list(islice(loader, 4))

    for one, two in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one.images, two.images)
        torch.testing.assert_close(one.targets, two.targets, equal_nan=True)


def test_mat_files_that_cannot_be_used(nyu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(nyu, "a") as file:
        del file["depths"]
    with pytest.raises(ValueError, match=r"expected images .*, found \(3, 3, 5, 4\) and none"):
        open_depth(f"nyu={nyu}")
    nyu.write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(ValueError, match="not a MATLAB v7.3 file"):
        open_depth(f"nyu={nyu}")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match="needs h5py"):
        open_depth(f"nyu={nyu}")
