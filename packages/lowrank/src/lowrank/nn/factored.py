"""What all factored layers are: a module that holds its weight as a product of small matrices."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from lowrank.costs import Form
from lowrank.linalg import SVD, balanced, orthonormality_error, orthonormalized, thin_svd
from lowrank.views import MatrixView

__all__ = ["Factored"]

#: Entries of the bases' Gram matrices may differ from the unit matrix by this before a QR.
ORTHONORMALITY = 1e-4

FACTORS = ("U", "S", "V", "A", "B")


class Factored(nn.Module):
    """A layer whose weight is ``U (scale S) V``, with frozen bases, or ``A B``.

    A subclass says how to compute with the factors. The rank is what the factors' shapes say; their
    shapes may change, but no forward pass ever changes anything.

    Parameters
    ----------
    view : MatrixView
        How the dense weight reads as a matrix of shape (m, n).
    bias : nn.Parameter or None
        Used as it is.

    Attributes
    ----------
    S : nn.Parameter, shape (r, r)
        The core, the only part of the weight that is trained; not diagonal in general.
    U, V : Tensor, shapes (m, r) and (r, n)
        Orthonormal columns and rows. Buffers.
    scale : Tensor, shape ()
        The true core is ``scale * S`` (see `OIALRConfig.update_scale`). A buffer.
    A, B : nn.Parameter, shapes (m, r) and (r, n)
        The factors of the other form.
    layout : Tensor of int64
        The view, for those who have nothing but a state dict:
        ``[groups, transposed, *weight.shape]``. A buffer.

    Notes
    -----
    With groups, each factor has a leading axis for them.
    """

    #: Whether ranks are to be sizes that compiled graphs leave open; see `lowrank.compile`.
    has_dynamic_rank: ClassVar[bool] = False

    U: Tensor
    V: Tensor
    S: nn.Parameter
    A: nn.Parameter
    B: nn.Parameter
    scale: Tensor
    layout: Tensor
    bias: nn.Parameter | None

    def __init__(self, view: MatrixView, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.view = view
        for name in ("U", "V", "scale"):
            self.register_buffer(name, None)
        for name in ("S", "A", "B"):
            self.register_parameter(name, None)
        self.register_parameter("bias", bias)  # after the weight, as in torch's layers
        layout = [view.groups, int(view.transposed), *view.shape]
        self.register_buffer("layout", torch.tensor(layout, dtype=torch.int64))

    @classmethod
    @abstractmethod
    def like(cls, layer: nn.Module, view: MatrixView) -> Factored:
        """A layer with the settings and the bias of a dense one, still without factors."""

    @abstractmethod
    def dense(self) -> nn.Module:
        """The ordinary layer of the same function; its bias is this one's."""

    # ------------------------------------------------------------------ what it is

    @property
    def form(self) -> Form:
        """``"usv"`` or ``"ab"``."""
        return "usv" if self._parameters["S"] is not None else "ab"

    @property
    def rank(self) -> int:
        """The inner dimension."""
        return self.S.shape[-1] if self.form == "usv" else self.B.shape[-2]

    def matrix(self) -> Tensor:
        """The dense weight in its 2-D view, shape (m, n) or (groups, m, n)."""
        if self.form == "usv":
            return self.U @ (self.scale * self.S) @ self.V
        return self.A @ self.B

    @property
    def weight(self) -> Tensor:
        """The dense weight, built on each access."""
        return self.view.tensor(self.matrix())

    def _outer(self) -> Tensor:
        """What multiplies last: ``U (scale S)`` or ``A``."""
        return self.U @ (self.scale * self.S) if self.form == "usv" else self.A

    def _inner(self) -> Tensor:
        """What multiplies first: ``V`` or ``B``."""
        return self.V if self.form == "usv" else self.B

    # ------------------------------------------------------------------ setting factors

    def set_usv(self, U: Tensor, S: Tensor, V: Tensor, scale: float = 1.0) -> Self:
        """Take ``U (scale S) V`` as the weight; `S` becomes a new parameter unless it is one."""
        self._parameters.update(A=None, B=None)
        self.U, self.V = U.detach().contiguous(), V.detach().contiguous()
        self.S = S if isinstance(S, nn.Parameter) else nn.Parameter(S.detach().contiguous())
        self.scale = torch.tensor(scale, dtype=U.dtype, device=U.device)
        self.mark_rank()
        return self

    def set_ab(self, A: Tensor, B: Tensor) -> Self:
        """Take ``A B`` as the weight; both become new parameters unless they are."""
        self._parameters["S"] = None
        self._buffers.update(U=None, V=None, scale=None)
        self.A, self.B = (
            x if isinstance(x, nn.Parameter) else nn.Parameter(x.detach().contiguous())
            for x in (A, B)
        )
        self.mark_rank()
        return self

    def set_svd(self, svd: SVD, form: Form = "usv", *, dtype: torch.dtype | None = None) -> Self:
        """Take a decomposition as the weight, in the form asked for."""
        svd = svd if dtype is None else svd.to(dtype)
        if form == "ab":
            return self.set_ab(*balanced(svd))
        return self.set_usv(svd.U, torch.diag_embed(svd.s), svd.V)

    def share(self, other: Factored) -> Self:
        """Use the very factors of another layer: of one whose weight is tied to this one's."""
        for name in FACTORS:
            if name in self._parameters:
                self._parameters[name] = other._parameters[name]
        self._buffers.update({name: other._buffers[name] for name in ("U", "V", "scale")})
        return self

    def mark_rank(self) -> None:
        """Tell `torch.compile` which sizes of the factors may change."""
        if not self.has_dynamic_rank:
            return
        from torch._dynamo import maybe_mark_dynamic

        rank_axes = {"U": (-1,), "S": (-2, -1), "V": (-2,), "A": (-1,), "B": (-2,)}
        for name, axes in rank_axes.items():
            factor = getattr(self, name)
            for axis in axes if factor is not None else ():
                maybe_mark_dynamic(factor, factor.dim() + axis)

    # ------------------------------------------------------------------ changing the rank

    def core_svd(self, name: str = "the core") -> SVD:
        """Decompose the weight by way of its core: ``scale S = P diag(s) Q``, shapes (r, r)."""
        return thin_svd(self.scale * self.S, name)

    def rotated(self, core: SVD, rank: int) -> tuple[Tensor, Tensor, Tensor]:
        """``U P``, ``diag(s)`` and ``Q V`` cut to a rank (OIALR, section 3).

        Bases that rounding has bent are made orthonormal again, without a change of the product.
        """
        dtype = self.U.dtype
        P, s, Q = core.truncated(rank)
        U, S, V = self.U.to(P.dtype) @ P, torch.diag_embed(s), Q @ self.V.to(Q.dtype)
        if orthonormality_error(U, V) > ORTHONORMALITY:
            U, S, V = orthonormalized(U, S, V)
        return U.to(dtype), S.to(dtype), V.to(dtype)

    # ------------------------------------------------------------------ checkpoints

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Take the form and the rank of the checkpoint, whatever the layer has; torch copies."""
        found = {name: state_dict[prefix + name] for name in FACTORS if prefix + name in state_dict}
        if "S" in found and "U" in found and "V" in found:
            self._resize(found, "usv")
        elif "A" in found and "B" in found:
            self._resize(found, "ab")
        elif prefix + "weight" in state_dict:
            state_dict = self._factored_entries(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _resize(self, found: Mapping[str, Tensor], form: Form) -> None:
        old = self._inner()
        empty = {name: old.new_empty(x.shape) for name, x in found.items()}
        if form != self.form:
            if form == "usv":
                self.set_usv(empty["U"], empty["S"], empty["V"])
            else:
                self.set_ab(empty["A"], empty["B"])
            return
        for name, tensor in empty.items():
            if name in ("U", "V"):
                self._buffers[name] = tensor
            elif getattr(self, name).shape != tensor.shape:
                getattr(self, name).data = tensor  # the parameter stays that of the optimiser

    def _factored_entries(self, state_dict: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        """A dense checkpoint, factored at the rank that the layer has."""
        entries = dict(state_dict)
        matrix = self.view.matrix(entries.pop(prefix + "weight"))
        svd = thin_svd(matrix, f"{prefix}weight").truncated(self.rank)
        if self.form == "ab":
            entries[prefix + "A"], entries[prefix + "B"] = balanced(svd)
        else:
            entries[prefix + "U"], entries[prefix + "V"] = svd.U, svd.V
            entries[prefix + "S"] = torch.diag_embed(svd.s) / self.scale
            entries[prefix + "scale"] = self.scale
        entries[prefix + "layout"] = self.layout
        return entries
