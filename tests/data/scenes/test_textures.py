import numpy as np
from PIL import Image

from fststyle.data.scenes.textures import Texture, noise


def test_textures_are_upright_mirrored_and_averaged_afar() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, :4] = 255  # the upper left quarter
    texture = Texture(Image.fromarray(pixels))
    u, v = np.array([0.2, 0.8, 0.2, 1.8]), np.array([0.8, 0.8, 0.2, -0.8])
    near = texture.sample(u, v, np.full(4, 0.01))
    np.testing.assert_allclose(near[:, 0], [1, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(near[:, 3], 1)
    far = texture.sample(u, v, np.full(4, 4.0))
    np.testing.assert_allclose(far[:, 0], 0.25, atol=0.01)


def test_noise_is_smooth_and_centred() -> None:
    field = noise(np.random.default_rng(0), 64, 96, 4)
    assert field.shape == (64, 96) and field.dtype == np.float32
    assert abs(field.mean()) < 0.5
    assert np.abs(np.diff(field)).mean() < 0.2 * field.std()
