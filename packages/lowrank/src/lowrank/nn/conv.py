"""Factored convolutions: one to `r` channels in space, and one of 1x1 on top."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from lowrank.nn.factored import Factored
from lowrank.views import MatrixView

__all__ = [
    "FactoredConv1d",
    "FactoredConv2d",
    "FactoredConv3d",
    "FactoredConvNd",
    "FactoredConvTranspose1d",
    "FactoredConvTranspose2d",
    "FactoredConvTranspose3d",
    "FactoredConvTransposeNd",
]

CONVOLVE = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
SETTINGS = (
    "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups",
    "padding_mode", "output_padding", "transposed",
)  # fmt: skip


class _Convolution(Factored):
    """What both directions share: the settings of the dense layer, and the 1x1 convolution."""

    dimensions: int
    dense_class: type[nn.Module]
    groups: int
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Any
    padding_mode: str

    def __init__(self, view: MatrixView, bias: nn.Parameter | None, **settings: Any) -> None:
        super().__init__(view, bias)
        self.settings = settings
        for name, value in settings.items():
            setattr(self, name, value)

    @classmethod
    def like(cls, layer: nn.Module, view: MatrixView) -> _Convolution:
        """A layer with the settings and the bias of a dense one, still without factors."""
        settings = {name: getattr(layer, name) for name in SETTINGS}
        return cls(view, layer._parameters["bias"], **settings)

    def _mix(self, hidden: Tensor) -> Tensor:
        """The 1x1 convolution from ``groups r`` to the output channels."""
        outer = self._outer()
        ones = (1,) * self.dimensions
        kernel = outer.reshape(self.out_channels, self.rank, *ones)
        mixed: Tensor = CONVOLVE[self.dimensions](hidden, kernel, self.bias, groups=self.groups)
        return mixed

    @abstractmethod
    def _kernels(self) -> Tensor:
        """The weight of the convolution in space."""

    def _plain(self, weight: Tensor, out_channels: int) -> nn.Module:
        """An ordinary layer with these settings and a weight, without a bias."""
        left_out = ("transposed",) if self.view.transposed else ("transposed", "output_padding")
        taken = {name: value for name, value in self.settings.items() if name not in left_out}
        taken["out_channels"] = out_channels
        layer = self.dense_class(**taken, bias=False, device="meta")
        layer.weight = nn.Parameter(weight)
        return layer

    def spatial(self) -> nn.Module:
        """The first convolution as an ordinary layer without a bias; its weight is a copy."""
        return self._plain(self._kernels().detach().clone(), self.groups * self.rank)

    def dense(self) -> nn.Module:
        """The ordinary layer of the same function; its bias is this one's."""
        layer = self._plain(self.weight.detach(), self.out_channels)
        layer.register_parameter("bias", self.bias)
        return layer.train(self.training)

    def extra_repr(self) -> str:
        """What stands between the brackets of the layer's representation."""
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"groups={self.groups}, form={self.form}, rank={self.rank}"
        )


class FactoredConvNd(_Convolution):
    """A convolution to `r` channels with the kernels ``V`` or ``B``, and one of 1x1 on top.

    Attributes as in `torch.nn.Conv2d`, where `weight` is built on access, and as in `Factored`.
    """

    def _kernels(self) -> Tensor:
        inputs = self.in_channels // self.groups
        return self._inner().reshape(self.groups * self.rank, inputs, *self.kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer; x of shape (batch, in_channels, *size), the batch optional."""
        if self.padding_mode != "zeros":
            x = _padded(x, self.settings)
            padding: Any = 0
        else:
            padding = self.padding
        hidden = CONVOLVE[self.dimensions](
            x, self._kernels(), None, self.stride, padding, self.dilation, self.groups
        )
        return self._mix(hidden)


def _padded(x: Tensor, settings: dict[str, Any]) -> Tensor:
    """Pad as torch's convolutions do for modes other than zeros."""
    amounts: list[int] = []
    for axis in reversed(range(len(settings["kernel_size"]))):
        padding = settings["padding"]
        if padding == "same":
            total = settings["dilation"][axis] * (settings["kernel_size"][axis] - 1)
            amounts += [total // 2, total - total // 2]
        else:
            amounts += [0, 0] if padding == "valid" else [padding[axis]] * 2
    mode = settings["padding_mode"]
    spatial_axes = len(settings["kernel_size"])
    if x.ndim == spatial_axes + 1:  # torch pads these modes in batches only
        return functional.pad(x.unsqueeze(0), amounts, mode=mode).squeeze(0)
    return functional.pad(x, amounts, mode=mode)


class FactoredConvTransposeNd(_Convolution):
    """A transposed convolution to `r` channels with the kernels ``V`` or ``B``, and a 1x1 on top.

    Attributes as in `torch.nn.ConvTranspose2d`, where `weight` is built on access, and as in
    `Factored`.
    """

    def _kernels(self) -> Tensor:
        """``V`` as a transposed convolution's weight: (in, r, *kernel)."""
        inputs = self.in_channels // self.groups
        inner = self._inner().reshape(self.groups, self.rank, inputs, *self.kernel_size)
        return inner.transpose(1, 2).reshape(self.in_channels, self.rank, *self.kernel_size)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Compute the layer; x of shape (batch, in_channels, *size), the batch optional."""
        output_padding = self.settings["output_padding"]
        if output_size is not None:
            output_padding = self._output_padding(x, output_size)
        hidden = TRANSPOSED[self.dimensions](
            x,
            self._kernels(),
            None,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )
        return self._mix(hidden)

    def _output_padding(self, x: Tensor, output_size: list[int]) -> list[int]:
        wanted = list(output_size)[-self.dimensions :]
        smallest = [
            (x.shape[axis - self.dimensions] - 1) * s["stride"][axis]
            - 2 * s["padding"][axis]
            + s["dilation"][axis] * (s["kernel_size"][axis] - 1)
            + 1
            for axis in range(self.dimensions)
            for s in (self.settings,)
        ]
        extra = [size - low for size, low in zip(wanted, smallest, strict=True)]
        limits = [max(a, b) for a, b in zip(self.stride, self.dilation, strict=True)]
        if any(not 0 <= e < limit for e, limit in zip(extra, limits, strict=True)):
            raise ValueError(
                f"output_size {wanted} can't be had from an input of {math.prod(x.shape)} numbers; "
                f"the smallest is {smallest}"
            )
        return extra


class FactoredConv1d(FactoredConvNd):
    """`FactoredConvNd` in one dimension."""

    dimensions, dense_class = 1, nn.Conv1d


class FactoredConv2d(FactoredConvNd):
    """`FactoredConvNd` in two dimensions."""

    dimensions, dense_class = 2, nn.Conv2d


class FactoredConv3d(FactoredConvNd):
    """`FactoredConvNd` in three dimensions."""

    dimensions, dense_class = 3, nn.Conv3d


class FactoredConvTranspose1d(FactoredConvTransposeNd):
    """`FactoredConvTransposeNd` in one dimension."""

    dimensions, dense_class = 1, nn.ConvTranspose1d


class FactoredConvTranspose2d(FactoredConvTransposeNd):
    """`FactoredConvTransposeNd` in two dimensions."""

    dimensions, dense_class = 2, nn.ConvTranspose2d


class FactoredConvTranspose3d(FactoredConvTransposeNd):
    """`FactoredConvTransposeNd` in three dimensions."""

    dimensions, dense_class = 3, nn.ConvTranspose3d
