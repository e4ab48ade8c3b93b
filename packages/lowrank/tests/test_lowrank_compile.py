"""Compiled models: few graphs, whatever the ranks do."""

import pytest
import torch
from torch import nn

import lowrank
from lowrank.nn import Factored


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(8, 24, 3, padding=1, groups=2)
        self.first, self.second = nn.Linear(96, 48), nn.Linear(48, 48)
        self.head = nn.Linear(48, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.conv(x)).flatten(1)
        return self.head(torch.tanh(self.second(torch.tanh(self.first(x)))))


@pytest.fixture
def fresh():
    torch._dynamo.reset()
    yield
    Factored.has_dynamic_rank = False
    torch._dynamo.reset()


def test_twelve_changes_of_the_rank_need_no_new_graph(fresh) -> None:
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    controller = lowrank.OIALR(model, optimizer, lowrank.OIALRConfig(total_steps=99), attach=False)
    for target in controller.targets:
        controller.convert(target.name)
    assert {t.name for t in controller.targets} == {"conv", "first", "second"}
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    assert lowrank.compile(model, backend=backend) is model
    assert type(model) is Net
    for lower in range(12):
        x = torch.randn(6, 4 * 2, 4)
        out = model(x)
        assert torch.allclose(out, model.forward(x), atol=1e-6)
        optimizer.zero_grad()
        out.square().sum().backward()
        assert all(p.grad is not None for p in model.parameters())
        optimizer.step()
        for name, rank in (("conv", 11), ("first", 47), ("second", 46)):
            controller.set_rank(name, max(1, rank - lower))
    assert len(graphs) <= 2
    assert torch._dynamo.config.force_parameter_static_shapes


def test_a_compiled_model_is_converted_while_it_is_trained(fresh) -> None:
    torch.manual_seed(0)
    model = lowrank.compile(Net(), backend="aot_eager")
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    config = lowrank.OIALRConfig(
        total_steps=8, delay=2, frequency=2, cutoff=0.5, layer_fraction=1.0, convert="at_delay"
    )
    lowrank.OIALR(model, optimizer, config)
    for _ in range(8):
        optimizer.zero_grad()
        x = torch.randn(6, 8, 4)
        model(x).square().mean().backward()
        optimizer.step()
    assert isinstance(model.first, Factored)
    assert torch.allclose(model(x), model.forward(x), atol=1e-5)
