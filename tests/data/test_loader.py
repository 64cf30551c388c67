import subprocess
import sys
from itertools import islice
from pathlib import Path

import torch

from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops
from fststyle.images.find import find_images
from tests.conftest import ROOT


def test_processes_and_parts_share_every_step_without_overlap() -> None:
    shares = [list(islice(iter(SampleNumbers(100, 8, 2, rank, 2)), 4)) for rank in (0, 1)]
    assert shares[0] == [[100, 101], [102, 103], [108, 109], [110, 111]]
    assert shares[1] == [[104, 105], [106, 107], [112, 113], [114, 115]]


def test_workers_do_not_change_what_comes(photos: Path) -> None:
    def batches(workers: int) -> list[torch.Tensor]:
        crops = PhotoCrops(find_images(photos), (32, 32), seed=3)
        loader = load_batches(crops, SampleNumbers(4, 2, 1, 0, 1), workers, False)
        return [batch.images for batch in islice(loader, 5)]

    for one, two in zip(batches(0), batches(2), strict=True):
        assert torch.equal(one, two)


ENDING = """
import sys
from pathlib import Path
from fststyle.data.loader import SampleNumbers, load_batches
from fststyle.data.photos import PhotoCrops
crops = PhotoCrops(list(Path(sys.argv[1]).iterdir()), (32, 32), seed=0)
batches = load_batches(crops, SampleNumbers(0, 2, 1, 0, 1), 1, False)
next(batches)
"""


def test_a_process_ends_while_its_workers_are_reading(photos: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ENDING, str(photos)], cwd=ROOT)
    assert done.returncode == 0
