from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from fststyle.checkpoints import LOSS, load
from fststyle.checkpoints.depth import depth_extractor
from fststyle.losses.functional import content_loss, gram_matrix, style_loss
from fststyle.losses.perceptual import TAUGHT_LAYERS, StyleObjective, TaughtFeatures
from fststyle.networks.depth_head import VGGDepth, VGGDepthHead
from fststyle.networks.vgg import VGG19Features
from fststyle.optimization.descent import Descent
from fststyle.utils.nonfinite import NonFiniteError
from tests.conftest import rounding

pytestmark = pytest.mark.numerical

WEIGHTS = {"content": 2.0, "style": 3.0, "tv": 0.0}


def objective(
    state: dict[str, torch.Tensor], paintings: list[torch.Tensor], **options: Any
) -> StyleObjective:
    extractor = VGG19Features(state, ["relu1_2", "relu2_2"])
    weights = {**WEIGHTS, "depth": 5.0 if "depth" in options else 0.0}
    layers = ["relu2_2"], ["relu1_2", "relu2_2"]
    return StyleObjective(extractor, paintings, *layers, weights, **options)


def brightness(image: torch.Tensor) -> torch.Tensor:
    """A depth network."""
    return image.mean(1, keepdim=True)


def test_terms_are_sums_over_layers(vgg_state: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    painting, output, content = torch.rand(1, 3, 40, 30), *torch.rand(2, 2, 3, 32, 32)
    loss_fn = objective(vgg_state, [painting])
    terms = loss_fn(output, content)
    layers = ["relu1_2", "relu2_2"]
    of = {
        k: loss_fn.extractor(v, layers)
        for k, v in {"o": output, "c": content, "s": painting}.items()
    }
    style = sum(style_loss(of["o"][layer], gram_matrix(of["s"][layer])) for layer in layers)
    torch.testing.assert_close(
        terms["content"], content_loss(of["o"]["relu2_2"], of["c"]["relu2_2"])
    )
    torch.testing.assert_close(terms["style"], style)
    assert terms.keys() == {"content", "style"}, "a term of weight 0 is not computed"
    total = 2 * terms["content"] + 3 * terms["style"]
    torch.testing.assert_close(loss_fn.weighted_sum(terms), total)


def test_no_term_hides_what_is_not_finite(vgg_state: dict[str, torch.Tensor]) -> None:
    painting, output, content = torch.rand(3, 1, 3, 32, 32)
    output[0, 1, 5, 5] = torch.nan
    loss_fn = objective(vgg_state, [painting], depth=brightness)
    loss_fn.weights["tv"] = 1.0
    terms = loss_fn(output, content, torch.rand(1, 1, 32, 32))
    assert terms.keys() == {"content", "style", "depth", "tv"}
    assert all(term.isnan() for term in terms.values())
    with pytest.raises(NonFiniteError, match="not finite"):
        list(
            Descent(lambda image: (loss_fn.weighted_sum(terms) + image.sum(), terms), content).run(
                1
            )
        )


def test_a_photo_of_itself_has_no_content_loss(vgg_state: dict[str, torch.Tensor]) -> None:
    image = torch.rand(1, 3, 32, 32)
    assert objective(vgg_state, [image])(image, image)["content"].item() == 0


def test_several_paintings_are_averaged(vgg_state: dict[str, torch.Tensor]) -> None:
    """The gradient is that of the mean of the single losses."""
    torch.manual_seed(0)
    first, second, content = torch.rand(3, 1, 3, 32, 32)

    def gradient(paintings: list[torch.Tensor], **options: Any) -> torch.Tensor:
        output = torch.full_like(content, 0.5).requires_grad_()
        objective(vgg_state, paintings, **options)(output, content)["style"].backward()
        assert output.grad is not None
        return output.grad

    one, two = gradient([first]), gradient([second])
    torch.testing.assert_close(gradient([first, second]), (one + two) / 2)
    torch.testing.assert_close(gradient([first, second], blend=(6, 2)), 0.75 * one + 0.25 * two)
    again = objective(vgg_state, [first]).restyled([second])
    torch.testing.assert_close(again.grams, objective(vgg_state, [second]).grams)


def test_content_stops_at_the_content_layer(
    vgg_state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = VGG19Features(vgg_state, ["relu1_2", "relu2_2"])
    image = torch.rand(1, 3, 32, 32)
    loss_fn = StyleObjective(extractor, [image], ["relu1_2"], ["relu2_2"], WEIGHTS)
    calls: list[int] = []
    extractor.convs["2_2"].register_forward_hook(lambda *_: calls.append(1))
    loss_fn(image, image)
    assert len(calls) == 1, "the output's features alone go as deep as the style's layers"


def test_a_map_of_ones_is_the_plain_content_loss(vgg_state: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    output, content = torch.rand(2, 2, 3, 33, 38)
    loss_fn = objective(vgg_state, [content[:1]])
    plain, ones = loss_fn(output, content), loss_fn(output, content, torch.ones(2, 1, 33, 38))
    limit = rounding(2 * 128 * 16 * 19)  # the values at relu2_2
    torch.testing.assert_close(ones["content"], plain["content"], rtol=limit, atol=0)
    assert torch.equal(ones["style"], plain["style"])


def test_weights_follow_their_place_into_the_layer(vgg_state: dict[str, torch.Tensor]) -> None:
    """A difference that lies where the weight is 9, far from where it is 1, counts 9 times."""
    torch.manual_seed(0)
    content = torch.rand(1, 3, 48, 48)
    output = content.clone()
    output[..., 8:16] += 0.2
    weights = torch.ones(1, 1, 48, 48)
    weights[..., :32] = 9
    loss_fn = objective(vgg_state, [content])
    plain, weighted = loss_fn(output, content), loss_fn(output, content, weights)
    torch.testing.assert_close(weighted["content"], 9 * plain["content"])


def test_depth_is_compared_on_the_first_part_of_a_batch(vgg_state: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    output, content = torch.rand(2, 5, 3, 32, 32)
    weights = torch.rand(5, 1, 32, 32)
    loss_fn = objective(vgg_state, [content[:1]], depth=brightness)
    whole = loss_fn(output, content, weights)
    expected = (brightness(output) - brightness(content)).square()
    torch.testing.assert_close(whole["depth"], expected.mean())
    part = loss_fn(output, content, weights, depth_part=0.5)
    torch.testing.assert_close(part["depth"], expected[:3].mean())
    for name in ("content", "style"):
        torch.testing.assert_close(part[name], whole[name])
    assert "depth" not in loss_fn(output, content, weights, depth_part=0.0)


def test_a_head_reads_the_features_that_style_needs(deep_vgg: Path) -> None:
    """As it does on its own, but VGG-19 runs once for each picture."""
    torch.manual_seed(0)
    extractor, _ = depth_extractor(deep_vgg)
    head = VGGDepthHead().eval().requires_grad_(False)
    layers = ["relu2_2"], ["relu3_3"]
    weights = {"content": 1.0, "style": 1.0, "depth": 1.0}
    painting, output, content = torch.rand(3, 2, 3, 32, 48)
    loss_fn = StyleObjective(extractor, [painting[:1]], *layers, weights, depth=head)
    calls: list[int] = []
    extractor.convs["1_1"].register_forward_hook(lambda *_: calls.append(1))
    output.requires_grad_()
    terms = loss_fn(output, content)
    assert len(calls) == 2
    alone = VGGDepth(extractor, head)
    torch.testing.assert_close(terms["depth"], (alone(output) - alone(content)).square().mean())
    terms["depth"].backward()
    assert output.grad is not None and output.grad.abs().sum() > 0


def test_pooling_stands_before_every_loss_network(vgg_state: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    painting, output, content = torch.rand(3, 1, 3, 64, 48)
    weights = torch.rand(1, 1, 64, 48)
    pooled = objective(vgg_state, [painting], depth=brightness, downscale=2)
    small = [F.avg_pool2d(x, 2) for x in (painting, output, content, weights)]
    expected = objective(vgg_state, small[:1], depth=brightness)(*small[1:])
    found = pooled(output, content, weights)
    assert found.keys() == expected.keys() == {"content", "style", "depth"}
    for name, term in found.items():
        torch.testing.assert_close(term, expected[name])


def test_features_are_compared_with_those_of_the_picture_that_is_wanted() -> None:
    torch.manual_seed(0)
    output, wanted, paintings = torch.rand(2, 3, 32, 32), *torch.rand(2, 2, 3, 32, 32)
    network = load("small", LOSS).network.mirror()
    seen = TaughtFeatures(network, list(paintings.split(1)), torch.float32)
    assert list(seen(wanted, wanted, None).values())[:2] == [0, 0]
    parts = torch.tensor([1.0, 0.25])
    terms = seen(output.requires_grad_(), wanted, parts)
    sums = dict.fromkeys(("style", "content", "painting"), 0.0)
    layers = ["relu4_3"], list(TAUGHT_LAYERS)
    for i, part in enumerate(parts):  # each with its own
        own = StyleObjective(
            *(network, [wanted[i : i + 1]], *layers, {"content": 1.0, "style": 1.0}),
            relative=True,
            style_layer_weights=list(TAUGHT_LAYERS.values()),
        )
        of_own = own(output[i : i + 1], wanted[i : i + 1])
        of_paintings = own.restyled(paintings.split(1))(output[i : i + 1], wanted[i : i + 1])
        sums["style"] += of_own["style"].item() / 2
        sums["content"] += of_own["content"].item() / 2
        sums["painting"] += part.item() * of_paintings["style"].item() / 2
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(sums)
    (gradient,) = torch.autograd.grad(terms["style"] + terms["content"], output)
    assert gradient.abs().max() > 0
