import pytest
import torch
from torch import nn

from recycle.network.blocks import Layer


@pytest.mark.parametrize("norm_first", [True, False])
def test_layers_are_those_of_torch(norm_first):
    generator = torch.Generator().manual_seed(0)
    ours = Layer(8, 2, 16, nn.functional.gelu, norm_first, cross=True).eval()
    options = {"batch_first": True, "norm_first": norm_first}
    theirs = nn.TransformerDecoderLayer(8, 2, 16, 0.0, "gelu", **options).eval()
    pairs = [
        (theirs.self_attn, ours.attention), (theirs.multihead_attn, ours.cross),
    ]  # fmt: skip
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        for their, our in pairs:
            their.in_proj_weight.copy_(our.project.weight)
            their.in_proj_bias.copy_(our.project.bias)
            their.out_proj.load_state_dict(our.out.state_dict())
        norms = (theirs.norm1, theirs.norm2, theirs.norm3)
        for their, our in [
            (theirs.linear1, ours.up), (theirs.linear2, ours.down),
            *zip(norms, ours.norms, strict=True),
        ]:  # fmt: skip
            their.load_state_dict(our.state_dict())
        tokens, memory = torch.randn(2, 3, 8, generator=generator), torch.randn(2, 5, 8)
        assert torch.allclose(ours(tokens, memory), theirs(tokens, memory), atol=1e-5)
