import copy
from pathlib import Path

import torch

from fststyle.config import DistillConfig
from fststyle.data.loader import Batch
from fststyle.training.distill_task import DistillTask
from fststyle.training.optimizers import build_optimizer
from fststyle.training.seen_again import after_a_move
from fststyle.utils.tensorboard import TensorBoardLogger
from fststyle.utils.tensors import as_tensor
from tests.conftest import contrasty, picture


def test_it_becomes_steadier_than_its_teacher(tmp_path: Path) -> None:
    start = contrasty(mapped=True)
    images = torch.cat([as_tensor(picture(seed, 96, 96)) for seed in range(2)])
    maps = torch.full((2, 1, 96, 96), 0.5)
    again = after_a_move([images, maps], None, torch.Generator().manual_seed(0))
    changes = {}
    for weight in (0.0, 300.0):
        torch.manual_seed(0)
        config = DistillConfig(
            teacher="large", content=tmp_path, name="small", width=4, stability_weight=weight
        )
        teacher, network = copy.deepcopy(start), copy.deepcopy(start)
        logger = TensorBoardLogger(None, 0)
        val = Batch(images, {}, None, [])
        task = DistillTask(config, teacher, None, "fp32", torch.device("cpu"), logger, val, {})
        optimizer = build_optimizer("muon", network, 5e-4)
        for step in range(20):
            loss, terms = task.loss(network, images, maps, step)
            assert ("stability" in terms) == (weight > 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            outputs = network(images, maps), network(*again.inputs)
        changes[weight] = again.change(*outputs).item()
    assert changes[300] < 0.7 * changes[0], changes
