"""AB-training: schedule, groups, rules, what travels, checkpoints."""

import copy
import threading

import pytest
import torch
from torch import nn

import lowrank
from lowrank.ab.combine import combined
from lowrank.ab.groups import group_of_ranks, mode_of_groups
from lowrank.ab.outer import Outer
from lowrank.linalg import SVD, thin_svd
from lowrank.nn import Factored
from lowrank.parallel import VirtualComm, run_virtual
from mpi_utils import traffic, world

# virtual ranks are threads, and torch has one global generator for all of them
BUILDING = threading.Lock()


def build(seed: int = 0) -> nn.Sequential:
    with BUILDING, torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 16), nn.BatchNorm1d(16), nn.Tanh(),
            nn.Unflatten(1, (4, 4)), nn.Conv1d(4, 8, 3, groups=2), nn.Flatten(), nn.Linear(16, 3),
        )  # fmt: skip


def batches(rank: int, steps: int, rows: int = 8):
    generator = torch.Generator().manual_seed(rank)
    for _ in range(steps):
        x = torch.randn(rows, 12, generator=generator)
        yield x, x[:, :3].sign() + 0.1 * x[:, 3:6]


def train(comm, steps: int, *, model=None, optimizer=None, callback=None, **changes: object):
    settings = {
        "total_steps": 40, "warmup": 6, "period": 10, "dense": 3, "cutoff": 0.2, "min_rank": 1,
        "keep_first": False, "rebound_steps": 0,
    }  # fmt: skip
    config = lowrank.ABConfig(**{**settings, **changes})
    model = build() if model is None else model
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), 1e-2)
    controller = lowrank.ABTraining(model, optimizer, config, comm=comm)
    rank = 0 if comm is None else comm.rank
    for x, y in batches(rank, steps):
        step(model, optimizer, x, y)
        if callback is not None:
            callback(controller)
    return model, optimizer, controller


def step(model, optimizer, x, y) -> float:
    optimizer.zero_grad()
    loss = (model(x) - y).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


def test_the_schedule() -> None:
    config = lowrank.ABConfig(total_steps=100, warmup=0.2, period=10, dense=0.3)
    phases = ["ab" if config.trains_factors(t) else "dense" for t in range(100)]
    assert phases == ["dense"] * 20 + (["ab"] * 7 + ["dense"] * 3) * 8
    assert [t for t in range(101) if config.synchronises(t)] == [*range(27, 100, 10), 100]
    at_once = lowrank.ABConfig(total_steps=100, warmup=0, period=25, dense=0)
    assert all(at_once.trains_factors(t) for t in range(100))
    assert [t for t in range(101) if at_once.synchronises(t)] == [25, 50, 75, 100]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dense": 10}, "shorter than the period"),
        ({"warmup": 101}, "warmup"),
        ({"period": 0}, "period"),
        ({"combine": "sum"}, "combine='sum'"),
        ({"payload_dtype": torch.float32}, "bfloat16"),
        ({"group_size": 0}, "group_size"),
        ({"cutoff": 1.5}, "cutoff"),
        ({"outer_momentum": 1.0}, "outer_momentum"),
    ],
)
def test_wrong_settings_are_refused_at_once(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lowrank.ABConfig(**{"total_steps": 100, "period": 10, **changes})


@pytest.mark.parametrize(
    ("nodes", "size", "groups", "modes"),
    [
        ([0], None, [0], "b"),
        ([0] * 4, None, [0, 0, 1, 1], "aabb"),
        ([0] * 5, None, [0, 0, 0, 1, 1], "aaabb"),
        ([0] * 3, None, [0, 1, 2], "abb"),
        ([0, 0, 1, 1, 1, 2], None, [0, 0, 1, 1, 1, 2], "aabbbb"),
        ([0, 1, 0, 1], None, [0, 1, 0, 1], "abab"),
        ([0] * 7, 2, [0, 0, 0, 1, 1, 2, 2], "aaabbbb"),
        ([0] * 4, 8, [0, 0, 1, 1], "aabb"),
        ([1, 0, 1, 0], 2, [1, 0, 1, 0], "baba"),
        ([0] * 4, 1, [0, 1, 2, 3], "aabb"),
    ],
)
def test_groups_of_ranks(nodes: list[int], size: int | None, groups: list[int], modes: str) -> None:
    assert group_of_ranks(nodes, size) == groups
    assert "".join(mode_of_groups(groups)) == modes


@pytest.mark.parametrize("batch", [(), (3,)])
def test_combining_by_the_formulas(batch: tuple[int, ...]) -> None:
    """In terms of balanced factors, as the formulas of the paper are written."""
    generator = torch.Generator().manual_seed(0)
    options = {"generator": generator, "dtype": torch.float64}
    svd = thin_svd(torch.randn(*batch, 7, 5, **options)).truncated(3)
    root = svd.s.sqrt()
    A0, B0 = svd.U * root.unsqueeze(-2), root.unsqueeze(-1) * svd.V
    deltaA, deltaB = torch.randn(A0.shape, **options), torch.randn(B0.shape, **options)
    dA, dB = deltaA * root.unsqueeze(-2), root.unsqueeze(-1) * deltaB
    p, q = 0.25, 0.75
    P, Q = svd.U @ svd.U.mT, svd.V.mT @ svd.V
    eye_m, eye_n = torch.eye(7, dtype=torch.float64), torch.eye(5, dtype=torch.float64)
    expected = {
        "learned": (A0 + deltaA) @ (B0 + deltaB),
        "stale": (A0 + p * deltaA) @ (B0 + q * deltaB),
        "product": A0 @ B0 + p * deltaA @ B0 + q * A0 @ deltaB,
        "tangent": A0 @ B0 + (eye_m - P) @ deltaA @ B0 + A0 @ deltaB @ (eye_n - Q)
        + (P @ deltaA @ B0 + A0 @ deltaB @ Q) / 2,
    }  # fmt: skip
    for rule, weight in expected.items():
        assert torch.allclose(combined(rule, svd, dA, dB, p), weight), rule
    nothing = torch.zeros_like(dA)
    only = A0 @ (B0 + deltaB)
    for rule in ("only_b", "learned", "stale", "product", "tangent"):
        assert torch.allclose(combined(rule, svd, nothing, dB, 0.0), only), rule


def test_the_outer_optimiser_is_that_of_torch() -> None:
    ours, weight = Outer(0.7, 0.9), nn.Parameter(torch.zeros(3))
    theirs = torch.optim.SGD([weight], 0.7, momentum=0.9, nesterov=True)
    start = torch.zeros(3)
    for change in (torch.tensor([1.0, 2.0, -1.0]), torch.ones(3), torch.zeros(3)):
        looked = ours.moved("x", start, start + change, keep=False)
        start = ours.moved("x", start, start + change)
        weight.grad = -change
        theirs.step()
        assert torch.allclose(start, weight)
        assert torch.equal(looked, start)
    assert Outer().moved("x", start, change) is change


@pytest.mark.parametrize("gauge", ["scaled", "orthonormal", "balanced"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_all_ranks_agree_after_a_synchronisation(size: int, gauge: str) -> None:
    def program(comm: VirtualComm):
        seen = []

        def look(controller) -> None:
            agreed = controller.mode is None
            weights = [p.detach().clone() for p in controller.model.state_dict().values()]
            everyone = comm.share(weights)
            equal = all(
                torch.equal(a, b)
                for other in everyone
                for a, b in zip(other, weights, strict=True)
                if a.dim() > 1
            )
            seen.append((agreed, equal))

        model, _, controller = train(comm, 40, callback=look, gauge=gauge)
        return seen, model.state_dict(), controller.history

    results = run_virtual(size, program)
    phases = [agreed for agreed, _ in results[0][0]]
    assert phases == [True] * 5 + ([False] * 7 + [True] * 3) * 3 + [False] * 4 + [True]
    for seen, state, history in results:
        assert all(equal for agreed, equal in seen if agreed)
        assert size == 1 or not all(equal for agreed, equal in seen if not agreed)
        for key, value in state.items():
            assert torch.equal(value, results[0][1][key]), key
        assert [h["rank"] for h in history] == [h["rank"] for h in results[0][2]]
        assert {h["layer"] for h in history} == {"0", "2", "6"}
    modes = {tuple(h["mode"] for h in history if h["mode"]) for _, _, history in results}
    assert modes == ({("a",) * 3 + ("b",) * 3 + ("a",) * 3 + ("b",) * 3} if size == 1 else
                     {("a",) * 12, ("b",) * 12})  # fmt: skip


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_b_only_is_training_b_with_the_whole_batch(optimizer: str) -> None:
    kinds = {
        "sgd": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=0.01),
        "adam": lambda p: torch.optim.AdamW(p, 1e-3),
    }

    def plain() -> nn.Sequential:
        with BUILDING, torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3))

    def program(comm: VirtualComm) -> nn.Module:
        model = plain()
        made = kinds[optimizer](model.parameters())
        return train(comm, 12, model=model, optimizer=made, combine="only_b", warmup=4, dense=0,
                     total_steps=12)[0]  # fmt: skip

    parallel = run_virtual(2, program)[0]
    model = plain()
    made = kinds[optimizer](model.parameters())
    settings = {"total_steps": 12, "warmup": 4, "period": 10, "dense": 0, "cutoff": 0.2}
    config = lowrank.ABConfig(
        **settings, min_rank=1, keep_first=False, rebound_steps=0, combine="only_b"
    )
    lowrank.ABTraining(model, made, config)
    for (x0, y0), (x1, y1) in zip(batches(0, 12), batches(1, 12), strict=True):
        step(model, made, torch.cat([x0, x1]), torch.cat([y0, y1]))
    for ours, theirs in zip(parallel.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_only_one_factor_is_trained_and_has_state() -> None:
    def program(comm: VirtualComm):
        model, optimizer, controller = train(comm, 10)
        layer = model[2]
        assert isinstance(layer, Factored)
        trained, frozen = (layer.A, layer.B) if controller.mode == "a" else (layer.B, layer.A)
        assert trained.requires_grad
        assert not frozen.requires_grad
        assert "exp_avg" in optimizer.state[trained]
        assert frozen not in optimizer.state
        start = controller._phase.starts["2"]
        assert not torch.allclose(layer.weight, start.product(), atol=1e-4)
        return controller.mode

    assert run_virtual(2, program) == ["a", "b"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"intra_group": "local"},
        {"payload_dtype": torch.bfloat16},
        {"sync_kept": True, "group_size": 1},
        {"combine": "only_b", "optimizer_state": "reset"},
    ],
    ids=["groups", "local", "16 bits", "kept layers in step", "only b"],
)
def test_the_ledger_is_exact(changes: dict) -> None:
    def program(comm: VirtualComm):
        _, _, controller = train(comm, 33, **changes)
        return controller.ledger, dict(comm.sent), controller.traffic()

    for ledger, sent, share in run_virtual(4, program):
        assert ledger.total("sent") == sum(sent.values())
        assert share["payload_fraction"] > 0
        assert share["payload"] == ledger.total("payload")
        names = {name for phase, name, _ in ledger.entries if phase == "factors"}
        expected = {"local": set(), "16 bits": {"group"}}.get(changes.get("intra_group", ""))
        if expected is not None:
            assert names == expected


def test_the_payload_by_hand() -> None:
    def program(comm: VirtualComm):
        _, _, controller = train(comm, 40)
        return controller.mode, controller.history, controller.ledger

    dense = sum(p.numel() for p in build().parameters())
    ab = {"0": (16, 12, 1), "2": (16, 16, 1), "6": (4, 6, 2)}
    others = dense - sum(g * m * n for m, n, g in ab.values())
    results = run_virtual(4, program)
    for rank, (_, history, ledger) in enumerate(results):
        mode = "a" if rank < 2 else "b"
        ranks = {}
        for record in history:
            if record["mode"]:
                ranks.setdefault(record["step"], {})[record["layer"]] = record["rank"]
        both = [sum(g * r[k] * (m + n) for k, (m, n, g) in ab.items()) for r in ranks.values()]
        own = [
            sum(g * r[k] * (m if mode == "a" else n) for k, (m, n, g) in ab.items())
            for r in ranks.values()
        ]
        assert ledger.total("payload", "dense") == 4 * dense * (6 + 3 * 3)
        steps = [7, 7, 7, 4]
        assert ledger.total("payload", "factors") == 4 * sum(
            n * (x + others) for n, x in zip(steps, own, strict=True)
        )
        # two moments of the others, and the two statistics of the normalisation
        assert ledger.total("payload", "sync") == 4 * (sum(both) + 4 * (3 * others + 32))


@pytest.mark.parallel([2, 4])
@pytest.mark.parametrize("changes", [{}, {"payload_dtype": torch.bfloat16}], ids=["32", "16"])
def test_mpi_counts_the_same_bytes(changes: dict) -> None:
    comm = world()
    with traffic(comm) as sent:
        model, _, controller = train(comm, 40, **changes)
    assert controller.ledger.total("sent") == sent.bytes()
    assert controller.mode is None
    for value in model.state_dict().values():
        everyone = comm.handle.allgather(value)
        assert all(torch.equal(value, other) for other in everyone)


@pytest.mark.parallel([2, 3])
def test_mpi_and_threads_train_alike() -> None:
    comm = world()
    model, _, _ = train(comm, 40)
    threads = run_virtual(comm.size, lambda c: train(c, 40)[0])
    for ours, theirs in zip(
        model.state_dict().values(), threads[comm.rank].state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_learning_in_every_way() -> None:
    """Each way of combining gets well below the error of the warm-up."""
    x, y = next(batches(99, 1, 500))

    def error(model: nn.Module) -> float:
        with torch.no_grad():
            return float((model.eval()(x) - y).square().mean())

    def after(**changes: object) -> float:
        settings = {"total_steps": 200, "warmup": 40, "period": 40, "dense": 4, **changes}
        return error(run_virtual(2, lambda comm: train(comm, 200, **settings)[0])[0])

    before = error(run_virtual(2, lambda comm: train(comm, 40, total_steps=40, warmup=40)[0])[0])
    for changes in (
        *({"combine": rule} for rule in ("learned", "stale", "product", "tangent", "only_b")),
        {"intra_group": "local", "outer": "nesterov", "payload_dtype": torch.bfloat16},
        {"gauge": "scaled"},
        {"optimizer_state": "reset", "sync_kept": True},
    ):
        assert after(**changes) < 0.8 * before, changes


def test_the_consensus_is_what_a_synchronisation_gives() -> None:
    def program(comm: VirtualComm):
        model, _, controller = train(comm, 11, outer="nesterov")
        assert controller.mode is not None
        before = copy.deepcopy(model.state_dict())
        agreed = controller.consensus()
        for key, value in model.state_dict().items():
            assert torch.equal(value, before[key])
        assert controller.mode is not None
        controller.synchronize()
        assert not any(isinstance(m, Factored) for m in agreed.modules())
        for ours, theirs in zip(
            model.state_dict().values(), agreed.state_dict().values(), strict=True
        ):
            assert torch.equal(ours, theirs)
        return True

    assert all(run_virtual(3, program))


@pytest.mark.parametrize("stop", [3, 9, 14, 28])
def test_a_run_that_was_stopped_goes_on_bit_for_bit(stop: int, tmp_path) -> None:
    changes = {"outer": "nesterov", "rebound_steps": 2}

    def resume(comm: VirtualComm):
        data = list(batches(comm.rank, 40))
        model, optimizer, controller = train(comm, stop, **changes)
        lowrank.save(tmp_path / f"{comm.rank}.pt", model, optimizer, controller)
        expected = [step(model, optimizer, *b) for b in data[stop:]]
        model, optimizer, controller = train(comm, 0, model=build(5), **changes)
        lowrank.load(tmp_path / f"{comm.rank}.pt", model, optimizer, controller)
        found = [step(model, optimizer, *b) for b in data[stop:]]
        return found == expected, controller.t, controller.ledger.total("sent")

    results = run_virtual(2, resume)
    assert results[0][:2] == results[1][:2] == (True, 40)


def test_other_numbers_of_ranks_go_on_from_the_consensus(tmp_path) -> None:
    file = tmp_path / "run.pt"

    def begin(comm: VirtualComm):
        model, optimizer, controller = train(comm, 10)
        if comm.rank == 0:
            lowrank.save(tmp_path / "factors.pt", model, optimizer, controller)
        controller.synchronize()
        if comm.rank == 0:
            lowrank.save(file, model, optimizer, controller)
        return model.state_dict()

    saved = run_virtual(2, begin)[0]

    def go_on(comm: VirtualComm):
        model, optimizer, controller = train(comm, 0, model=build(5))
        with pytest.raises(ValueError, match="call synchronize before saving"):
            lowrank.load(tmp_path / "factors.pt", model, optimizer, controller)
        lowrank.load(file, model, optimizer, controller)
        for key, value in model.state_dict().items():
            assert torch.equal(value, saved[key])
        data = list(batches(comm.rank, 40))[10:]
        losses = [step(model, optimizer, *b) for b in data]
        assert controller.mode is None
        assert controller.t == 40
        return losses

    losses = run_virtual(3, go_on)[0]
    assert sum(losses[-8:]) < sum(losses[:8])


def test_accumulated_gradients_travel_once() -> None:
    def program(comm: VirtualComm):
        model, optimizer, controller = train(comm, 0, model=build(), total_steps=4, warmup=4)
        for parts in (1, 4):
            for x, y in batches(comm.rank, 2):
                optimizer.zero_grad()
                for part, wanted in zip(x.chunk(parts), y.chunk(parts), strict=True):
                    (model.eval()(part) - wanted).square().mean().div(parts).backward()
                optimizer.step()
        return controller.ledger.entries["dense", "world", "mean"].calls

    assert run_virtual(2, program) == [4, 4]


def test_gradients_are_averaged_by_hand_where_they_are_clipped() -> None:
    def program(comm: VirtualComm):
        model = build()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        config = lowrank.ABConfig(total_steps=9, warmup=9)
        controller = lowrank.ABTraining(model, optimizer, config, comm=comm, manual=True)
        x, y = next(batches(comm.rank, 1))
        (model(x) - y).square().sum().backward()
        controller.average()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        gradients = [p.grad.clone() for p in model.parameters()]
        optimizer.step()
        calls = controller.ledger.entries["dense", "world", "mean"].calls
        return gradients, calls

    (first, calls), (second, _) = run_virtual(2, program)
    assert calls == 1
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_an_error_of_one_rank_ends_all() -> None:
    def program(comm: VirtualComm) -> None:
        model, optimizer, controller = train(comm, 5)
        if comm.rank == 1:  # this rank decomposes some of the layers
            for target in controller.targets:
                target.module.weight.data.fill_(torch.nan)
        _x, _y = next(batches(comm.rank, 1))
        for p in model.parameters():
            p.grad = torch.zeros_like(p)
        optimizer.step()

    with pytest.raises(lowrank.NonFiniteWeightError, match="diverged"):
        run_virtual(2, program)


def test_the_frozen_part_costs_nothing_and_is_exact() -> None:
    """Without a change of the factors the phase gives back the truncated weight."""

    def program(comm: VirtualComm):
        _model, _, controller = train(comm, 6, cutoff=0.5)
        starts: dict[str, SVD] = dict(controller._phase.starts)
        controller.synchronize()
        for target in controller.targets:
            weight = target.view.matrix(target.module.weight)
            assert torch.allclose(weight, starts[target.name].product(), atol=1e-5)
        return [h["truncation_error"] for h in controller.history[:3]]

    errors = run_virtual(2, program)[0]
    assert all(error > 0 for error in errors)


def test_events_tell_what_has_been_replaced() -> None:
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    config = lowrank.ABConfig(total_steps=8, warmup=2, period=4, dense=1, keep_first=False)
    controller = lowrank.ABTraining(model, optimizer, config)
    seen = []
    controller.on("factor", lambda replaced: seen.append(("factor", replaced)))
    controller.on("sync", lambda replaced: seen.append(("sync", replaced)))
    weight = model[0].weight
    for x, y in batches(0, 5):
        step(model, optimizer, x, y)
    assert [name for name, _ in seen] == ["factor", "sync"]
    A, B = seen[0][1][weight]
    assert seen[1][1][A] == seen[1][1][B] == [model[0].weight]
    with pytest.raises(ValueError, match="factor, sync"):
        controller.on("update", print)
