"""Stores, feedback, kinds of errors, partition, loaders, checkpoints, diagnostics."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import f3
from f3.criterion import Criterion
from f3.diagnostics import alignment, estimate, saturation
from f3.feedback import Dense, PerChannel, PerToken, Seeded, Shared
from f3.feedback.projections import CHUNK, DrawnProjection, MatrixProjection, draw
from f3.kinds import Visit, fresh_error
from f3.signals import Signal

SEEDS = (3, 4)


# ------------------------------------------------------------------ stores


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int8])
def test_stores_keep_what_their_type_can(dtype) -> None:
    store = f3.DenseStore(10, 4, dtype=dtype)
    rows = torch.randn(3, 4)
    ids = store.check([7, 0, 7], 3)
    assert not store.read(ids)[1].any()
    store.write(ids, rows)
    found, seen = store.read(torch.tensor([0, 7, 1]))
    assert seen.tolist() == [True, True, False]
    limit = {torch.float32: 0, torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.int8: 1e-2}[dtype]
    assert (found[:2].float() - rows[[1, 2]]).abs().max() <= limit * rows.abs().max()
    copy_of = f3.DenseStore(12, 4, dtype=dtype)
    copy_of.load_state_dict(store.state_dict())
    assert torch.equal(copy_of.read(ids)[0], store.read(ids)[0])
    store.resize(20)
    assert torch.equal(store.read(store.check([0, 7], 2))[0], copy_of.read(torch.tensor([0, 7]))[0])
    with pytest.raises(f3.StoreError, match="can't shrink"):
        store.resize(5)
    with pytest.raises(f3.StoreError, match="does not fit"):
        f3.DenseStore(10, 5, dtype=dtype).load_state_dict(store.state_dict())


def test_large_stores_are_refused_and_files_hold_them(tmp_path) -> None:
    with pytest.raises(f3.StoreError, match=r"4,000,000,000 bytes.*ScalarStore"):
        f3.DenseStore(1_000_000, 1000)
    with pytest.raises(f3.StoreError, match="can't be kept"):
        f3.DenseStore(10, 4, dtype=torch.int64)
    file = tmp_path / "errors"
    store = f3.DenseStore(100, 4, memmap=file)
    store.write(torch.arange(3), torch.ones(3, 4))
    assert file.stat().st_size == 1600
    assert float(torch.from_file(str(file), size=400).sum()) == 12
    store.resize(200)
    assert float(store.read(torch.arange(3))[0].sum()) == 12


def test_scalar_stores_hold_one_number_a_sample() -> None:
    small, tiny = f3.ScalarStore(1000), f3.ScalarStore(1000, dtype=torch.int8)
    assert small.nbytes == 5000
    for store in (small, tiny):
        store.write(torch.arange(5), -torch.rand(5, generator=torch.Generator().manual_seed(0)))
    difference = small.read(torch.arange(5))[0] - tiny.read(torch.arange(5))[0]
    assert difference.abs().max() <= 0.5 / 127


def test_hash_stores_take_any_key(mlp, learner, data) -> None:
    keys = [f"image-{i}" for i in range(60)]
    models = [mlp(), mlp()]
    by_key = learner(models[0], f3.DelayedError(store=f3.HashStore(4)))
    by_id = learner(models[1])
    for x, t, ids in data.batches(20, epochs=3):
        by_key.step(x, t, [keys[i] for i in ids])
        by_id.step(x, t, ids)
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(a, b)
    again = f3.HashStore(4)
    again.load_state_dict(by_key.source.store.state_dict())
    assert torch.equal(again.read(keys)[0], by_id.source.store.read(data.ids)[0])
    many = f3.HashStore(None)
    many.write(list(range(1000)), torch.arange(1000.0))
    assert len(many) == 1000
    assert many.read([999, "new"])[0][0] == 999
    assert many.read([999, "new"])[1].tolist() == [True, False]


# ------------------------------------------------------------------ feedback


def test_gathered_rows_equal_products() -> None:
    matrix, scale, classes = torch.randn(4, 9), torch.randn(5), torch.tensor([0, 3, 3, 1, 2])
    signal = Signal(scale, classes)
    torch.testing.assert_close(signal.project(matrix), signal.rows(4) @ matrix)


@pytest.mark.parametrize(("recipe", "shape"), [(PerChannel, (3, 4, 5)), (PerToken, (6, 3))])
def test_shared_positions_equal_an_expanded_matrix(recipe, shape) -> None:
    small = recipe("normal").build(4, shape, 60, SEEDS)
    matrix = small.matrix.reshape(4, 3, 1, 1) if recipe is PerChannel else small.matrix[:, None]
    dense = MatrixProjection(matrix.expand(4, *shape).reshape(4, -1), shape)
    signal = Signal(torch.randn(7, 4))
    torch.testing.assert_close(small.apply(signal, 7), dense.apply(signal, 7))


@pytest.mark.parametrize("init", ["trinomial", "kaiming_uniform", "normal", "rademacher"])
def test_seeded_feedback_equals_dense(init) -> None:
    width = CHUNK + 1000
    signal = Signal(torch.randn(2, 3))
    seeded = Seeded(init).build(3, (width,), width, SEEDS)
    dense = Dense(init).build(3, (width,), width, SEEDS)
    torch.testing.assert_close(seeded.apply(signal, 2), dense.apply(signal, 2))
    assert isinstance(seeded, DrawnProjection)
    assert seeded.state_dict() == {"seed": 3}


def test_shared_feedback_is_one_matrix() -> None:
    recipe = Shared("normal")
    wide, narrow = (recipe.build(3, (n,), 50, (n, 9)) for n in (50, 20))
    assert torch.equal(wide.matrix[:, :20], narrow.matrix)
    assert wide.matrix.data_ptr() == narrow.matrix.data_ptr()


def test_compact_feedback_takes_a_quarter() -> None:
    plain, small = (Dense(compact=c).build(3, (40,), 40, SEEDS) for c in (False, True))
    signal = Signal(torch.randn(5, 3))
    assert small.matrix.nbytes * 4 == plain.matrix.nbytes
    assert torch.equal(small.apply(signal, 5), plain.apply(signal, 5))
    with pytest.raises(f3.FeedbackError, match="int8"):
        Dense("normal", compact=True).build(3, (40,), 40, SEEDS)


def test_initialisers_are_what_their_names_say() -> None:
    def make(name: str, width: int = 8, **settings: float) -> torch.Tensor:
        return draw(name, 3, width, 0, settings)

    bound = 1 / 8**0.5
    uniform = make("kaiming_uniform", 8)
    assert -bound <= uniform.min() < uniform.max() <= bound
    assert set(make("trinomial", 99).unique().tolist()) == {-1, 0, 1}
    assert set(make("binomial", 99, scalar=2.0).unique().tolist()) == {0, 2}
    assert torch.equal(
        make("identity_repeat_pm")[:, :6], torch.cat([torch.eye(3), -torch.eye(3)], 1)
    )
    assert torch.equal(make("identity_repeat")[:, 3:6], torch.eye(3))
    assert make("identity_fill_zero").sum() == 3
    assert torch.equal(make("alternate_negative")[0], torch.tensor([-1.0, 1] * 4))
    assert torch.equal(make("chunked_negative")[0], torch.tensor([1.0] * 4 + [-1] * 4))
    assert len(make("cartesian_product").unique(dim=1).T) == 8
    assert torch.unique(make("kaiming_uniform_repeat_line"), dim=1).shape == (3, 1)
    orthogonal = make("orthogonal")
    torch.testing.assert_close(orthogonal @ orthogonal.T, torch.eye(3), atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="combinations"):
        make("cartesian_product", 9)


# ------------------------------------------------------------------ kinds of errors


def test_kinds_have_their_closed_forms() -> None:
    z, t = torch.randn(6, 4) * 3, torch.randint(4, (6,))
    rows = functional.one_hot(t, 4).float()
    y = z.sigmoid()

    def fresh(kind: str, loss: nn.Module, output: torch.Tensor) -> torch.Tensor:
        criterion = Criterion(loss)
        targets = criterion.targets(t, (6, 4), torch.float32)
        gradient = criterion.gradient(output, targets)[1]
        return fresh_error(kind, Visit(output, gradient, targets, criterion))

    close = torch.testing.assert_close
    for loss, output in ((nn.BCELoss(), y), (nn.BCEWithLogitsLoss(), z)):
        close(fresh("error", loss, output), y - rows)
        close(fresh("logit", loss, output), y - rows)
        close(fresh("loss", loss, output), (y - rows) / (y * (1 - y)), rtol=1e-3, atol=1e-3)
    cross = nn.CrossEntropyLoss()
    close(fresh("logit", cross, z), z.softmax(1) - rows)
    close(fresh("error", cross, z), z.softmax(1) - rows)
    close(fresh("error", nn.NLLLoss(), z.log_softmax(1)), z.softmax(1) - rows)
    close(fresh("softmax_error", nn.BCELoss(), y), y.softmax(1) - rows)
    u = y.softmax(1)
    close(fresh("softmax_loss", nn.BCELoss(), y), (u - rows) / (u * (1 - u)), rtol=1e-3, atol=1e-3)
    extreme = torch.tensor([[0.0, 1.0, 0.0, 1.0]]).repeat(6, 1)
    for kind in ("loss", "logit", "error"):
        assert fresh(kind, nn.BCELoss(), extreme).isfinite().all()
    assert fresh("loss", nn.BCEWithLogitsLoss(), z * 1e4).isfinite().all()


# ------------------------------------------------------------------ partition


def test_wrapping_cuts_where_layers_begin() -> None:
    layers = [nn.Flatten(), nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.1)]
    model = nn.Sequential(*layers, nn.Sequential(nn.Linear(6, 5), nn.Tanh()), nn.Linear(5, 3))
    wrapped = f3.wrap(model)
    assert [len(block) if isinstance(block, nn.Sequential) else 1 for block in wrapped] == [5, 2, 1]
    assert wrapped[0][1] is model[1]
    assert len(f3.wrap(model, split="each")) == 7
    assert len(f3.wrap(model, split=[5])) == 2
    assert len(f3.wrap(model, split=lambda m: isinstance(m, nn.Linear))) == 4
    assert len(f3.wrap(model, head_blocks=2)) == 2
    x = torch.randn(4, 8)
    assert torch.equal(wrapped.eval()(x), model.eval()(x))
    with pytest.raises(f3.PartitionError, match="its blocks are unknown"):
        f3.wrap(nn.TransformerEncoderLayer(8, 2))
    with pytest.raises(f3.PartitionError, match="not among the positions"):
        f3.wrap(model, split=[9])
    with pytest.raises(f3.PartitionError, match="nothing to train"):
        f3.Learner(f3.Sequential(nn.Tanh()), loss=nn.MSELoss(), mode="shallow")


def test_states_are_those_of_a_plain_sequential(mlp) -> None:
    model = mlp()
    plain = nn.Sequential(*copy.deepcopy(model))
    plain.load_state_dict(model.state_dict())
    assert "2 blocks" not in repr(plain)
    assert "3 blocks, head: 2" in repr(model)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.tanh(self.inner(x))


def test_residual_blocks_are_tapped_at_a_layer_norm(learner) -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 12, 0.0, batch_first=True, norm_first=True)
    blocks = [nn.Sequential(nn.Linear(6, 6), nn.Tanh()), Residual(), layer, nn.BatchNorm1d(5)]
    model = f3.Sequential(*blocks, nn.Sequential(nn.Flatten(), nn.Linear(30, 4)))
    learn = learner(model, f3.TargetError())
    x = torch.randn(10, 5, 6)
    statistics = model[3].running_mean.clone()
    learn.build(x)
    assert torch.equal(model[3].running_mean, statistics)
    assert [block.tap for block in learn.hidden] == ["output", "layer_norm", "layer_norm", "output"]
    before = copy.deepcopy(model[1])
    learn.step(x, torch.randint(4, (10,)))
    # the update can't change the length of an output to first order: it is orthogonal to it
    learn.hidden[1].module.zero_grad()
    out = before(x)
    pseudo = learn.hidden[1].pseudo_gradient(Signal(torch.randn(10, 4)), 10)
    (gradient,) = torch.autograd.grad(functional.layer_norm(out, (5, 6)), out, pseudo)
    assert (gradient * out).sum((1, 2)).abs().max() < 1e-4 * gradient.norm() * out.norm()


def test_convolutions_lazy_layers_and_frozen_blocks(learner) -> None:
    torch.manual_seed(0)
    frozen = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh()).requires_grad_(requires_grad=False)
    model = f3.Sequential(
        frozen,
        nn.Sequential(nn.Conv2d(4, 6, 3), nn.Tanh(), nn.AvgPool2d(2)),
        nn.Sequential(nn.Flatten(), nn.LazyLinear(20), nn.Tanh()),
        nn.LazyLinear(4),
    )
    x, t, ids = torch.randn(32, 1, 8, 8), torch.arange(32) % 4, torch.arange(32)
    adam = lambda p: torch.optim.Adam(p, lr=1e-2)
    feedback = [PerChannel("trinomial"), "trinomial"]
    learn = learner(model, f3.DelayedError(32, one_hot=True), optimizer=adam, feedback=feedback)
    start = frozen[0].weight.clone()
    losses = [float(learn.step(x, t, ids).loss) for _ in range(60)]
    assert losses[-1] < 0.9 * losses[0]
    assert torch.equal(frozen[0].weight, start)


# ------------------------------------------------------------------ settings of updates


def test_accumulated_batches_make_the_step_of_the_whole(data, mlp, learner) -> None:
    whole, pieces = mlp(), mlp()
    one = learner(whole)
    many = learner(pieces, accumulate=3)
    for x, t, ids in data.batches(30, epochs=2):
        one.step(x, t, ids)
        for part in range(3):
            mine = slice(10 * part, 10 * part + 10)
            many.step(x[mine], t[mine], ids[mine])
    for a, b in zip(whole.parameters(), pieces.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_clipping_is_by_block(data, mlp, learner) -> None:
    model = mlp()
    before = copy.deepcopy(model)
    learner(model, clip_norm=1e-3, optimizer=lambda p: torch.optim.SGD(p, lr=1.0)).step(
        data.x, data.t, data.ids
    )
    for new, old in zip(model, before, strict=True):
        pairs = zip(new.parameters(), old.parameters(), strict=True)
        norm = torch.cat([(a - b).detach().flatten() for a, b in pairs]).norm()
        assert float(norm) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("amp", [torch.bfloat16, torch.float16])
def test_mixed_precision_stays_close(data, mlp, learner, amp) -> None:
    exact, mixed = mlp(), mlp()
    for model, settings in ((exact, {}), (mixed, {"amp": amp})):
        learn = learner(model, **settings)
        for x, t, ids in data.batches(20, epochs=2):
            learn.step(x, t, ids)
    for a, b in zip(exact.parameters(), mixed.parameters(), strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, atol=3e-2, rtol=3e-2)


def test_schedulers_and_scales_of_learning_rates(data, mlp, learner, recwarn) -> None:
    learn = learner(mlp(), lr_scale=[1.0, 0.5, 0.1])
    scheduler = torch.optim.lr_scheduler.StepLR(learn.optimizer, 1, gamma=0.1)
    learn.fit(f3.TensorBatches(data.x, data.t, 20), 2, scheduler=scheduler)
    rates = [group["lr"] for group in learn.optimizer.param_groups]
    assert rates == pytest.approx([1e-3, 5e-4, 1e-4])
    assert [b.optimizer.param_groups[0]["lr"] for b in learn.blocks] == rates
    assert not [w for w in recwarn if "lr_scheduler" in str(w.message)]


def test_gains_and_sums_scale_pseudo_gradients(data, mlp, learner) -> None:
    def move(**settings: object) -> torch.Tensor:
        model = mlp(depth=1)
        start = model[0][0].weight.detach().clone()
        learner(model, f3.TargetError(), **settings).step(data.x, data.t)
        return model[0][0].weight.detach() - start

    close = torch.testing.assert_close
    close(move(gamma=2.0), 2 * move(), atol=1e-6, rtol=1e-4)
    close(move(scale="sum"), 60 * move(), atol=1e-4, rtol=1e-4)
    close(move(normalize="fan_out"), move() / 4, atol=1e-6, rtol=1e-4)


# ------------------------------------------------------------------ loaders, fit, checkpoints


def test_loaders_give_ids(data) -> None:
    plain = DataLoader(TensorDataset(data.x, data.t), batch_size=16, shuffle=True)
    for loader in (f3.indexed(plain), f3.indexed(plain, seed=1)):
        seen = []
        for ids, x, t in loader:
            assert torch.equal(x, data.x[ids])
            assert torch.equal(t, data.t[ids])
            seen.append(ids)
        assert torch.cat(seen).sort().values.tolist() == list(range(60))
        assert [len(ids) for ids in seen] == [16, 16, 16, 12]
        assert f3.indexed(loader) is loader
    subset = torch.utils.data.Subset(TensorDataset(data.x, data.t), range(10, 20))
    ids, x, _ = next(iter(f3.indexed(DataLoader(subset, batch_size=4))))
    assert ids.tolist() == [0, 1, 2, 3]
    assert torch.equal(x, data.x[10:14])

    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self) -> object:
            yield 1

    with pytest.raises(TypeError, match="HashStore"):
        f3.indexed(DataLoader(Stream()))


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("fixed", [True, False])
def test_shards_hold_all_samples(size, fixed) -> None:
    epochs = []
    for epoch in range(2):
        parts = []
        for rank in range(size):
            sampler = f3.ShardSampler(10, rank=rank, size=size, fixed=fixed)
            sampler.epoch = epoch
            parts.append(list(sampler))
        assert {id_ for part in parts for id_ in part} == set(range(10))
        assert len({len(part) for part in parts}) == 1
        epochs.append(parts)
    assert epochs[0] != epochs[1]
    if fixed:
        assert [sorted(p) for p in epochs[0]] == [sorted(p) for p in epochs[1]]


@pytest.mark.parametrize("loader", ["tensors", "dataloader"])
def test_training_goes_on_in_the_middle_of_an_epoch(data, mlp, learner, tmp_path, loader) -> None:
    def make() -> f3.Learner:
        adam = lambda p: torch.optim.Adam(p, lr=1e-2)
        model = mlp(depth=3, drop=lambda: nn.Dropout(0.2), norm=lambda: nn.BatchNorm1d(16))
        made = learner(model, f3.DelayedError(60, damping=0.5), optimizer=adam)
        made.scheduler = torch.optim.lr_scheduler.ExponentialLR(made.optimizer, 0.5)
        return made

    def train():
        if loader == "tensors":
            return f3.TensorBatches(data.x, data.t, 14)
        return DataLoader(TensorDataset(data.x, data.t), 14, shuffle=True)

    whole, interrupted = make(), make()
    whole.fit(train(), 3)

    interrupted.fit(train(), 3, callbacks=[lambda *_: False])
    batches = f3.indexed(train(), seed=interrupted.seed)
    batches.sampler.epoch = 1
    for number, (ids, x, t) in enumerate(batches):
        if number < 2:
            interrupted.step(x, t, ids)
    f3.save(tmp_path / "run.pt", interrupted)
    resumed = make()
    f3.load(tmp_path / "run.pt", resumed)
    assert (resumed.epoch, resumed.batch, resumed.steps) == (1, 2, 7)
    resumed.fit(train(), 3)
    pairs = zip(whole.model.state_dict().values(), resumed.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    with pytest.raises(ValueError, match="blocks"):
        f3.load(tmp_path / "run.pt", learner(mlp(depth=1)))


def test_fit_validates_stops_and_warns(data, mlp, learner, caplog) -> None:
    learn = learner(mlp(depth=3), optimizer=lambda p: torch.optim.Adam(p, lr=0.1))
    before = None

    def note(trained: f3.Learner, record: f3.EpochRecord) -> None:
        nonlocal before
        before = trained.source.store.read(data.ids)[0].clone()

    with caplog.at_level(logging.WARNING):
        history = learn.fit(
            f3.TensorBatches(data.x, data.t, 20),
            40,
            validation=[(data.x, data.t)],
            callbacks=[note],
            patience=12,
        )
    assert history.stopped in {"patience", "epochs"}
    assert history["val_accuracy"][-1] == pytest.approx(
        learn.evaluate([(data.x, data.t)])["accuracy"]
    )
    assert torch.equal(before, learn.source.store.read(data.ids)[0])
    assert min(history["cosine"][4:]) < 0.9
    assert "one_hot=True" in caplog.text and "damping=0.8" in caplog.text


def test_errors_of_the_untrained_network_can_start(data, mlp, learner) -> None:
    learn = learner(mlp(), f3.DelayedError(60, init="forward"))
    expected = learn.predict(data.x).softmax(1) - functional.one_hot(data.t, 4)
    seen = []
    read = learn.source.read
    learn.source.read = lambda ids, targets: seen.append((ids, read(ids, targets))) or seen[-1][1]
    learn.fit(f3.TensorBatches(data.x, data.t, 60), 1)
    torch.testing.assert_close(seen[0][1].values, expected[seen[0][0]])
    uniform = learner(mlp(), f3.DelayedError(60, init="uniform"))
    batch = uniform.check(data.x, data.t, data.ids)
    rows = uniform.source.read(batch.index, batch.targets).values
    torch.testing.assert_close(rows, 0.25 - functional.one_hot(data.t, 4))


# ------------------------------------------------------------------ diagnostics


def test_alignment_is_perfect_with_the_true_weights(data, mlp, learner) -> None:
    model = mlp(depth=1)
    head = model[1].weight.detach().clone()
    learn = learner(model, f3.CurrentError(), feedback=head)
    state = copy.deepcopy(model.state_dict())
    (found,) = alignment(learn, data.x, data.t)
    assert found.cosine == pytest.approx(1, abs=1e-5)
    assert found.norm_ratio == pytest.approx(1, abs=1e-4)
    assert found.angle < 0.5
    assert all(
        torch.equal(a, b) for a, b in zip(state.values(), model.state_dict().values(), strict=True)
    )
    random = learner(mlp(depth=3), f3.DelayedError(60))
    assert len(alignment(random, data.x, data.t, data.ids)) == 3
    assert all(abs(a.cosine) < 0.9 for a in alignment(random, data.x, data.t, data.ids))


def test_saturation_and_costs(data, mlp, learner) -> None:
    model = mlp(depth=2)
    learn = learner(model)
    learn.build(data.x)
    assert saturation(learn, data.x)[0] < 0.05
    with torch.no_grad():
        model[0][0].weight.mul_(1000)
    assert saturation(learn, data.x)[0] > 0.9
    costs = estimate(model, data.x, data.t, loss=nn.CrossEntropyLoss(), num_samples=1000)
    assert costs["f3-onehot"].flops < costs["f3"].flops
    assert costs["f3"].store_bytes == 1000 * 17
    assert costs["f3-onehot"].store_bytes == 5000
    assert all(cost.live_bytes > 0 for cost in costs.values())
