import numpy as np

from fststyle.data.drawn_maps import CONSTANT, INVERSE, OWN, draw_weight_map


def test_maps_of_every_kind_are_drawn() -> None:
    own = np.tile(np.linspace(0.3, 0.5, 40, dtype=np.float32), (30, 1))
    stretched = (own - 0.3) / 0.2
    random = np.random.default_rng(0)
    maps = [draw_weight_map(own, random) for _ in range(600)]
    assert all(m.shape == own.shape and m.dtype == np.float32 for m in maps)
    assert min(m.min() for m in maps) == 0 and max(m.max() for m in maps) == 1
    constant = [m for m in maps if np.ptp(m) == 0]
    assert abs(len(constant) / 600 - CONSTANT) < 0.05
    assert {0.0, 1.0} <= {float(m[0, 0]) for m in constant}

    def alike(m: np.ndarray, other: np.ndarray) -> bool:
        return np.ptp(m) > 0.02 and bool(np.corrcoef(m.ravel(), other.ravel())[0, 1] > 0.999)

    # Narrowed maps, 1 in 4, are turned round half of the time.
    same = sum(alike(m, stretched) for m in maps) / 600
    turned = sum(alike(m, 1 - stretched) for m in maps) / 600
    assert abs(same - (0.875 * OWN + 0.125 * INVERSE)) < 0.06
    assert abs(turned - (0.875 * INVERSE + 0.125 * OWN)) < 0.06
    hard = [m for m in maps if len(np.unique(m)) == 2]
    assert len(hard) > 20, "masks"


def test_a_map_follows_from_its_generator_and_a_flat_one_is_no_trouble() -> None:
    own = np.full((30, 40), 0.5, np.float32)
    first, second = (
        [draw_weight_map(own, np.random.default_rng(seed)) for seed in range(40)] for _ in range(2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert all(np.isfinite(m).all() for m in first)
