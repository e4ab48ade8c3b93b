"""The structures of ViT-B/16, ResNet-50 and VGG16, with random weights, in torch alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["STRUCTURES", "resnet50", "vgg16", "vit_b16"]


class ViT(nn.Module):
    """Patches, a class token, positions, encoder layers, a head (arXiv 2010.11929)."""

    def __init__(self, width: int, depth: int, heads: int, size: int, classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, (size // 16) ** 2 + 1, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images (batch, 3, size, size)."""
        x = self.patches(x).flatten(2).mT
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, and a way around them (arXiv 1512.03385)."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(inputs, width, 1), nn.ReLU(),
            *_convolution(width, width, 3, stride), nn.ReLU(),
            *_convolution(width, 4 * width, 1),
        )  # fmt: skip
        same = stride == 1 and inputs == 4 * width
        self.around = (
            nn.Identity() if same else nn.Sequential(*_convolution(inputs, 4 * width, 1, stride))
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        return torch.relu(self.body(x) + self.around(x))


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def vit_b16(part: int = 1) -> nn.Module:
    """ViT-B/16, with the width divided by `part`."""
    return ViT(768 // part, 12, 12, 224, 1000)


def resnet50(part: int = 1) -> nn.Module:
    """ResNet-50, with the width divided by `part`."""
    width = 64 // part
    layers: list[nn.Module] = [*_convolution(3, width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = width
    for stage, depth in enumerate((3, 4, 6, 3)):
        for block in range(depth):
            stride = 2 if stage and not block else 1
            layers.append(Bottleneck(inputs, width << stage, stride))
            inputs = 4 * (width << stage)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def vgg16(part: int = 1) -> nn.Module:
    """VGG16 with batch normalisation (arXiv 1409.1556), with the width divided by `part`."""
    layers: list[nn.Module] = []
    inputs = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [*_convolution(inputs, width // part, 3), nn.ReLU()]
            inputs = width // part
        layers.append(nn.MaxPool2d(2))
    wide = 4096 // part
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(49 * inputs, wide), nn.ReLU(),
        nn.Linear(wide, wide), nn.ReLU(), nn.Linear(wide, 1000),
    )  # fmt: skip


STRUCTURES = {"ViT-B/16": vit_b16, "ResNet-50": resnet50, "VGG16": vgg16}
