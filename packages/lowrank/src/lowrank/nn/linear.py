"""The factored linear layer."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from lowrank.nn.factored import Factored
from lowrank.views import MatrixView

__all__ = ["FactoredLinear"]


class FactoredLinear(Factored):
    """``y = U (S (V x)) + b``, or ``y = A (B x) + b``: never the dense weight.

    Faster than `torch.nn.Linear` with m = n below ``r = 0.53 n`` (USV) and ``r = 0.5 n`` (AB).
    Attributes as in `torch.nn.Linear`, where `weight` is built on access, and as in `Factored`.
    """

    def __init__(self, view: MatrixView, bias: nn.Parameter | None) -> None:
        super().__init__(view, bias)
        self.out_features, self.in_features = view.shape

    @classmethod
    def like(cls, layer: nn.Module, view: MatrixView) -> FactoredLinear:
        """A layer with the bias of a dense one, still without factors."""
        assert isinstance(layer, nn.Linear)
        return cls(view, layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the layer; x of shape (..., in_features)."""
        hidden = functional.linear(x, self._inner())
        if self.form == "usv":
            hidden = functional.linear(hidden, self.scale * self.S)
            return functional.linear(hidden, self.U, self.bias)
        return functional.linear(hidden, self.A, self.bias)

    def dense(self) -> nn.Linear:
        """The ordinary layer of the same function; its bias is this one's."""
        weight = self.weight.detach()
        layer = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        layer.weight = nn.Parameter(weight)
        layer.register_parameter("bias", self.bias)
        return layer.train(self.training)

    def extra_repr(self) -> str:
        """What stands between the brackets of the layer's representation."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, form={self.form}, rank={self.rank}"
        )
