"""Training and per-image optimization written straight from the papers, to measure ours against."""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fststyle.checkpoints import LOSS, load
from fststyle.networks.calibration import calibrate
from fststyle.networks.transform import OUTPUT_CENTRE, OUTPUT_SCALE, TransformNet
from fststyle.networks.vgg import VGG19Features

CONTENT_LAYERS = ("relu2_2",)
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
WEIGHTS = {"content": 1.0, "style": 2.0}


def calibrated_extractor(
    name: str, device: torch.device, vgg_weights: Path | None = None
) -> VGG19Features:
    """The loss network "vgg19" or "small" to the last of ``STYLE_LAYERS``, on ``device``."""
    extractor = load(name, LOSS, vgg_weights=vgg_weights).network.cut(STYLE_LAYERS).to(device)
    calibrate(extractor)
    return extractor


def gram(features: Tensor) -> Tensor:
    """F Fᵀ / (C H W) of each N×C×H×W map: N×C×C."""
    n, c, h, w = features.shape
    flat = features.view(n, c, h * w)
    return flat.bmm(flat.transpose(1, 2)) / (c * h * w)


class PlainStep:
    """The training step of pytorch/examples, in float32 and NCHW: content, too, runs through the
    whole extractor, upsampling, normalization, Gram matrices and losses are PyTorch's own."""

    def __init__(self, network: TransformNet, extractor: VGG19Features, painting: Tensor) -> None:
        self.network = plain_network(network)
        self.extractor = extractor
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        with torch.no_grad():
            features = extractor(painting, STYLE_LAYERS)
        self.grams = {name: gram(maps) for name, maps in features.items()}

    def _terms(self, content: Tensor) -> dict[str, Tensor]:
        output = self.network(content) * OUTPUT_SCALE + OUTPUT_CENTRE
        with torch.no_grad():
            targets = self.extractor(content, STYLE_LAYERS)
        features = self.extractor(output, STYLE_LAYERS)
        style = torch.zeros((), device=content.device)
        for name in STYLE_LAYERS:
            output_gram = gram(features[name])
            target = self.grams[name].expand_as(output_gram)
            difference = F.mse_loss(output_gram, target, reduction="sum")
            style = style + difference / len(content)
        return {"content": F.mse_loss(features["relu2_2"], targets["relu2_2"]), "style": style}

    def losses(self, content: Tensor) -> dict[str, float]:
        """Unweighted terms on N×3×H×W images in [0,1], with no step taken."""
        with torch.no_grad():
            return {name: term.item() for name, term in self._terms(content).items()}

    def __call__(self, content: Tensor) -> None:
        self.optimizer.zero_grad()
        terms = self._terms(content)
        (terms["content"] + WEIGHTS["style"] * terms["style"]).backward()
        self.optimizer.step()


class PlainDescent:
    """The descent of Gatys et al., in float32 and NCHW: PyTorch's own L-BFGS and losses, the
    features of content and painting computed once, the picture clamped when it is done."""

    def __init__(
        self,
        extractor: VGG19Features,
        content: Tensor,
        painting: Tensor,
        weights: Mapping[str, float],
        history: int,
    ) -> None:
        self.extractor, self.weights, self.steps = extractor, weights, 0
        with torch.no_grad():
            self.target = extractor(content, CONTENT_LAYERS)["relu2_2"]
            features = extractor(painting, STYLE_LAYERS)
        self.grams = {name: gram(maps) for name, maps in features.items()}
        self.image = content.clone(memory_format=torch.contiguous_format).requires_grad_()
        self.optimizer = torch.optim.LBFGS([self.image], max_iter=1, history_size=history)

    def loss(self, image: Tensor) -> Tensor:
        """Content and style, weighted."""
        features = self.extractor(image, STYLE_LAYERS)
        loss = self.weights["content"] * F.mse_loss(features["relu2_2"], self.target)
        for name, target in self.grams.items():
            difference = F.mse_loss(gram(features[name]), target, reduction="sum")
            loss = loss + self.weights["style"] * difference
        return loss

    @torch.no_grad()
    def loss_of(self, image: Tensor) -> float:
        """The loss of a finished picture."""
        return self.loss(image).item()

    def step(self) -> None:
        """One gradient, one step of L-BFGS."""

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            loss = self.loss(self.image)
            loss.backward()
            return loss

        self.optimizer.step(closure)  # type: ignore[arg-type]
        self.steps += 1

    @property
    def picture(self) -> Tensor:
        """What would be written."""
        return self.image.detach().clamp(0, 1)


def plain_network(network: TransformNet) -> nn.Sequential:
    """A copy of ``network`` out of PyTorch's own layers, without its last scaling."""

    def conv(of: nn.Conv2d) -> list[nn.Module]:
        out, into, size, _ = of.weight.shape
        copy = nn.Conv2d(into, out, size, of.stride[0])
        copy.load_state_dict(of.state_dict())
        return [nn.ReflectionPad2d(size // 2), copy]

    def norm(of: nn.Module) -> nn.Module:
        assert isinstance(of.weight, Tensor)
        copy = nn.InstanceNorm2d(len(of.weight), affine=True)
        copy.load_state_dict(of.state_dict())
        return copy

    class Sum(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return x + super().forward(x)

    layers: list[nn.Module] = []
    for down in (network.down1, network.down2, network.down3):
        layers += [*conv(down.conv), norm(down.norm), nn.ReLU()]
    for block in network.residuals:
        first, second = block.conv1, block.conv2
        inside = [*conv(first.conv), norm(first.norm), nn.ReLU()]  # type: ignore[union-attr,arg-type]
        inside += [*conv(second.conv), norm(second.norm)]  # type: ignore[union-attr,arg-type]
        layers.append(Sum(*inside))
    for up in (network.up1, network.up2):
        layers += [nn.Upsample(scale_factor=2), *conv(up.conv), norm(up.norm), nn.ReLU()]
    layers += conv(network.out.conv)
    return nn.Sequential(*layers).to(next(network.parameters()).device)
