"""The plain training step, as pytorch/examples has it, to measure ours against."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fststyle.networks.transform import OUTPUT_CENTRE, OUTPUT_SCALE, TransformNet
from fststyle.networks.vgg import VGG19Features

CONTENT_LAYERS = ("relu2_2",)
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
WEIGHTS = {"content": 1.0, "style": 2.0}


class PlainStep:
    """The step as the paper has it, in float32 and NCHW: content, too, runs through the whole
    extractor, upsampling, normalization, Gram matrices and losses are PyTorch's own."""

    def __init__(self, network: TransformNet, extractor: VGG19Features, painting: Tensor) -> None:
        self.network = plain_network(network)
        self.extractor = extractor
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-3)
        with torch.no_grad():
            features = extractor(painting, STYLE_LAYERS)
        self.grams = {name: self._gram(maps) for name, maps in features.items()}

    @staticmethod
    def _gram(features: Tensor) -> Tensor:
        n, c, h, w = features.shape
        flat = features.view(n, c, h * w)
        return flat.bmm(flat.transpose(1, 2)) / (c * h * w)

    def _terms(self, content: Tensor) -> dict[str, Tensor]:
        output = self.network(content) * OUTPUT_SCALE + OUTPUT_CENTRE
        with torch.no_grad():
            targets = self.extractor(content, STYLE_LAYERS)
        features = self.extractor(output, STYLE_LAYERS)
        style = torch.zeros((), device=content.device)
        for name in STYLE_LAYERS:
            gram = self._gram(features[name])
            difference = F.mse_loss(gram, self.grams[name].expand_as(gram), reduction="sum")
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
