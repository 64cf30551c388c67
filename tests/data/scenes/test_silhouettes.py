import numpy as np
import pytest

from fststyle.data.scenes.silhouettes import SHAPES, silhouette


@pytest.mark.parametrize("name", SHAPES)
def test_silhouettes_stand_on_the_lower_edge(name: str) -> None:
    for seed in range(5):
        mask = np.asarray(silhouette(name, np.random.default_rng(seed), 64)) > 127
        assert 0.03 < mask.mean() < 1
        assert mask[-4:].any()
