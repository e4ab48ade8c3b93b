"""Factored layers compute what dense ones do, and their gradients are the projected ones."""

import copy

import pytest
import torch
from torch import nn

import lowrank
from lowrank.linalg import orthonormality_error, thin_svd
from lowrank.nn import FactoredLinear, MultiheadAttention, factored
from lowrank.views import view_of

LAYERS = {
    "wide": (lambda: nn.Linear(12, 7), (5, 12)),
    "tall": (lambda: nn.Linear(7, 12), (2, 3, 7)),
    "square, no bias": (lambda: nn.Linear(9, 9, bias=False), (4, 9)),
    "conv1d": (lambda: nn.Conv1d(6, 8, 3, stride=2, padding=1), (2, 6, 11)),
    "conv1d, same": (lambda: nn.Conv1d(6, 8, 4, padding="same"), (2, 6, 11)),
    "conv2d, dilated": (lambda: nn.Conv2d(5, 8, 3, dilation=2), (2, 5, 9, 8)),
    "conv2d, groups": (lambda: nn.Conv2d(6, 9, 3, groups=3, padding=1), (2, 6, 5, 5)),
    "conv2d, circular": (
        lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"),
        (2, 4, 5, 6),
    ),
    "conv2d, reflect": (
        lambda: nn.Conv2d(4, 6, (3, 5), padding=(1, 2), padding_mode="reflect"),
        (4, 6, 7),
    ),
    "conv2d, replicate same": (
        lambda: nn.Conv2d(4, 6, (2, 3), padding="same", dilation=(1, 2), padding_mode="replicate"),
        (2, 4, 6, 7),
    ),
    "conv3d": (lambda: nn.Conv3d(3, 5, (1, 2, 3), stride=(1, 2, 1)), (2, 3, 3, 4, 5)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(6, 4, 3, stride=2), (2, 6, 5)),
    "transposed 2d": (
        lambda: nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
        (2, 6, 4, 5),
    ),
    "transposed 3d": (lambda: nn.ConvTranspose3d(4, 3, 2, dilation=2, bias=False), (1, 4, 3, 3, 3)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def close(left: torch.Tensor, right: torch.Tensor, tolerance: float = 1e-5) -> bool:
    return bool((left - right).norm() <= tolerance * right.norm().clamp_min(1e-12))


@pytest.mark.parametrize("form", ["usv", "ab"])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_factored_layer_computes_the_same(kind: str, form: str) -> None:
    make, shape = LAYERS[kind]
    layer, x = make(), torch.randn(shape)
    new = factored(layer, form=form)
    assert (new.form, new.rank) == (form, view_of(layer).max_rank)
    assert new.bias is layer.bias
    assert close(new(x), layer(x))
    assert close(new.weight, layer.weight)
    back = new.dense()
    assert type(back) is type(layer)
    assert close(back(x), layer(x))


@pytest.mark.parametrize("kind", ["tall", "conv2d, groups", "transposed 2d"])
def test_the_core_gets_the_projected_gradient(kind: str) -> None:
    make, shape = LAYERS[kind]
    layer, x = make(), torch.randn(shape)
    new = factored(layer)
    layer(x).square().sum().backward()
    new(x).square().sum().backward()
    dense = view_of(layer).matrix(layer.weight.grad)
    assert close(new.S.grad, new.U.mT @ dense @ new.V.mT)
    assert {name for name, _ in new.named_parameters()} <= {"S", "bias"}


def test_a_truncated_layer_is_off_by_the_tail() -> None:
    layer = nn.Linear(20, 15)
    s = torch.linalg.svdvals(layer.weight)
    error = (factored(layer, 6).weight - layer.weight).norm()
    assert close(error, s[6:].norm())


def test_bases_stay_orthonormal_over_many_rotations() -> None:
    layer = factored(nn.Linear(40, 30))
    for _ in range(200):
        before = layer.weight.detach().clone()
        U, S, V = layer.rotated(layer.core_svd(), layer.rank)
        layer.set_usv(U, S, V)
        assert close(layer.weight, before)
        layer.S.data += 0.01 * torch.randn_like(layer.S)
    assert orthonormality_error(layer.U, layer.V) < 1e-4


def test_bent_bases_are_mended_without_changing_the_weight() -> None:
    layer = factored(nn.Linear(40, 30))
    layer.set_usv(layer.U + 0.01 * torch.randn_like(layer.U), layer.S.data, layer.V)
    before = layer.weight.detach().clone()
    layer.set_usv(*layer.rotated(layer.core_svd(), layer.rank))
    assert orthonormality_error(layer.U, layer.V) < 1e-5
    assert close(layer.weight, before)


def test_backward_keeps_only_the_narrow_activation() -> None:
    """With frozen bases the layer's input, 200 wide, is not kept."""
    new = factored(nn.Linear(200, 100), 10)
    kept: list[tuple[int, ...]] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(tuple(t.shape)) or t, lambda t: t
    ):
        new(torch.randn(32, 200))
    assert (32, 10) in kept
    assert (32, 200) not in kept


ATTENTION = {
    "self": {},
    "batch first": {"batch_first": True},
    "other sizes": {"kdim": 10, "vdim": 14, "batch_first": True},
    "learned and zero keys": {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    "no bias": {"bias": False},
}


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("kind", ATTENTION)
def test_attention_equals_that_of_torch(kind: str, need_weights: bool) -> None:
    settings = ATTENTION[kind]
    attention = nn.MultiheadAttention(12, 3, **settings).double()
    for parameter in attention.parameters():
        nn.init.normal_(parameter)
    new = MultiheadAttention(copy.deepcopy(attention))
    for name, child in list(new.named_children()):
        setattr(new, name, factored(child))
    q = torch.randn(2, 5, 12).double()
    k = torch.randn(2, 6, settings.get("kdim", 12)).double()
    v = torch.randn(2, 6, settings.get("vdim", 12)).double()
    if not settings.get("batch_first"):
        q, k, v = (x.transpose(0, 1) for x in (q, k, v))
    padding = torch.zeros(2, 6, dtype=torch.bool)
    padding[1, 4:] = True
    for mask in (None, torch.rand(5, 6) < 0.3, torch.randn(6, 5, 6).double()):
        padded = padding if mask is None or mask.dtype == torch.bool else None
        options = {"key_padding_mask": padded, "attn_mask": mask, "need_weights": need_weights}
        expected, weights = attention(q, k, v, **options)
        result, ours = new(q, k, v, **options)
        assert close(result.nan_to_num(), expected.nan_to_num(), 1e-9)
        assert (ours is None) == (weights is None)
        if weights is not None:
            assert close(ours.nan_to_num(), weights.nan_to_num(), 1e-9)
    if not settings.get("kdim"):
        assert close(new(q, q, q)[0], attention(q, q, q)[0], 1e-9)
        alone = q[0] if settings.get("batch_first") else q[:, 0]
        assert close(new(alone, alone, alone)[0], attention(alone, alone, alone)[0], 1e-9)


def test_an_encoder_computes_the_same_in_all_modes() -> None:
    """The fast path of evaluation reads weights instead of calling the layers."""
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2)
    dense, x = copy.deepcopy(model), torch.randn(3, 5, 16)
    lowrank.factorize(model, rank=1.0 - 1e-9, form="usv", only_smaller=False, keep_last=False)
    assert sum(isinstance(m, FactoredLinear) for m in model.modules()) == 8
    for mode in (True, False):
        model.train(mode), dense.train(mode)
        assert close(model(x), dense(x))
        with torch.no_grad():
            assert close(model(x), dense(x))
    merged = lowrank.merge(model).eval()
    assert {type(m) for m in merged.modules()} == {type(m) for m in dense.modules()}
    assert set(merged.state_dict()) == set(dense.state_dict())
    assert close(merged(x), dense(x))


@pytest.mark.parametrize("kind", [k for k in LAYERS if "transposed" not in k])
def test_sequential_export_has_ordinary_layers_only(kind: str) -> None:
    make, shape = LAYERS[kind]
    model = nn.Sequential(make())
    x, dense = torch.randn(shape), copy.deepcopy(model)
    model[0] = factored(model[0])
    plain = lowrank.to_sequential(model)
    assert not any(type(m).__module__.startswith("lowrank") for m in plain.modules())
    assert close(plain(x), dense(x))


def test_layers_copy_and_cast() -> None:
    layer = factored(nn.Linear(8, 6), 3)
    twin = copy.deepcopy(layer).double()
    x = torch.randn(4, 8)
    assert twin.U.dtype == twin.S.dtype == torch.float64
    assert close(twin(x.double()).float(), layer(x))
    assert layer.train(False) is layer


def test_a_weight_with_nan_is_named() -> None:
    layer = nn.Linear(4, 4)
    with torch.no_grad():
        layer.weight[1, 2] = torch.nan
    with pytest.raises(lowrank.NonFiniteWeightError, match="diverged"):
        factored(layer)
    with pytest.raises(ValueError, match="rank 9 of a 4 x 4"):
        factored(nn.Linear(4, 4), 9)
    with pytest.raises(TypeError, match="Embedding can't be factored"):
        factored(nn.Embedding(4, 4))


def test_half_precision_weights_are_decomposed_in_float32() -> None:
    layer = nn.Linear(8, 6).bfloat16()
    assert thin_svd(layer.weight).U.dtype == torch.float32
    assert factored(layer).U.dtype == torch.bfloat16
