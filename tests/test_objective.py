import pytest
import torch

from fststyle.losses import content_loss, gram_matrix, style_loss
from fststyle.networks.vgg import VGG19Features
from fststyle.objective import StyleObjective

WEIGHTS = {"content": 2.0, "style": 3.0, "tv": 0.0}


def objective(state: dict[str, torch.Tensor], paintings: list[torch.Tensor]) -> StyleObjective:
    extractor = VGG19Features(state, ["relu1_2", "relu2_2"])
    return StyleObjective(extractor, paintings, ["relu2_2"], ["relu1_2", "relu2_2"], WEIGHTS)


def test_terms_are_sums_over_layers(vgg_state: dict[str, torch.Tensor]) -> None:
    torch.manual_seed(0)
    painting, output, content = torch.rand(1, 3, 40, 30), *torch.rand(2, 2, 3, 32, 32)
    judge = objective(vgg_state, [painting])
    terms = judge(output, content)
    layers = ["relu1_2", "relu2_2"]
    of = {
        k: judge.extractor(v, layers) for k, v in {"o": output, "c": content, "s": painting}.items()
    }
    style = sum(style_loss(of["o"][layer], gram_matrix(of["s"][layer])) for layer in layers)
    torch.testing.assert_close(
        terms["content"], content_loss(of["o"]["relu2_2"], of["c"]["relu2_2"])
    )
    torch.testing.assert_close(terms["style"], style)
    assert terms.keys() == {"content", "style"}, "a term of weight 0 is not computed"
    total = 2 * terms["content"] + 3 * terms["style"]
    torch.testing.assert_close(judge.weighted_sum(terms), total)


def test_a_photo_of_itself_has_no_content_loss(vgg_state: dict[str, torch.Tensor]) -> None:
    image = torch.rand(1, 3, 32, 32)
    assert objective(vgg_state, [image])(image, image)["content"].item() == 0


def test_several_paintings_are_averaged(vgg_state: dict[str, torch.Tensor]) -> None:
    """The gradient is that of the mean of the single losses."""
    torch.manual_seed(0)
    first, second, content = torch.rand(3, 1, 3, 32, 32)

    def gradient(paintings: list[torch.Tensor]) -> torch.Tensor:
        output = torch.full_like(content, 0.5).requires_grad_()
        objective(vgg_state, paintings)(output, content)["style"].backward()
        assert output.grad is not None
        return output.grad

    both = gradient([first, second])
    torch.testing.assert_close(both, (gradient([first]) + gradient([second])) / 2)


def test_content_stops_at_the_content_layer(
    vgg_state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = VGG19Features(vgg_state, ["relu1_2", "relu2_2"])
    image = torch.rand(1, 3, 32, 32)
    judge = StyleObjective(extractor, [image], ["relu1_2"], ["relu2_2"], WEIGHTS)
    calls: list[int] = []
    extractor.convs["2_2"].register_forward_hook(lambda *_: calls.append(1))
    judge(image, image)
    assert len(calls) == 1, "the output's features alone go as deep as the style's layers"
