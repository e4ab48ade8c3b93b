"""Pipelines on 1 to 4 ranks: bit for bit what one process does."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import f3
from f3.distributed import balanced_cuts
from f3.distributed.cuts import stages
from mpi_utils import Communicator, world


@pytest.fixture
def comm() -> Communicator:
    return world()


@pytest.fixture
def shared(comm, tmp_path) -> Path:
    """A folder that all ranks see."""
    return Path(comm.handle.bcast(str(tmp_path)))


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def batches(data, size: int = 14) -> f3.TensorBatches:
    return f3.TensorBatches(data.x, data.t, size, seed=3)  # 60 samples: the last batch has 4


ERRORS = {
    "f3": lambda: f3.DelayedError(60, kind="error", damping=0.5),
    "one_hot": lambda: f3.DelayedError(60, one_hot=True),
    "hash": lambda: f3.DelayedError(store=f3.HashStore(4)),
    "drtp": f3.TargetError,
}


@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize(("name", "adam"), [*((n, False) for n in ERRORS), ("f3", True)])
def test_a_pipeline_is_one_process_bit_for_bit(comm, data, mlp, learner, name, adam) -> None:
    factory = (
        (lambda p: torch.optim.Adam(p, lr=1e-2)) if adam else (lambda p: torch.optim.SGD(p, 0.1))
    )
    cuts = {1: [], 2: [4], 3: [1, 4], 4: [1, 2, 5]}[comm.size]
    alone, spread = (
        mlp(depth=5, drop=lambda: nn.Dropout(0.2)),
        mlp(depth=5, drop=lambda: nn.Dropout(0.2)),
    )
    one = learner(alone, ERRORS[name](), optimizer=factory)
    pipeline = f3.Pipeline(learner(spread, ERRORS[name](), optimizer=factory), comm, cuts=cuts)
    expected = one.fit(batches(data), 3)
    history = pipeline.fit(batches(data), 3)
    assert same(alone, spread)
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-12)
    report = pipeline.report()
    assert [r.blocks.start for r in report] == [0, *cuts]
    assert all(r.activation_bytes > 0 for r in report[:-1])


@pytest.mark.parallel([2, 3])
def test_cuts_are_found_and_validation_is_streamed(comm, data, mlp, learner) -> None:
    alone, spread = mlp(depth=4), mlp(depth=4)
    one = learner(alone, f3.DelayedError(60))
    pipeline = f3.Pipeline(learner(spread, f3.DelayedError(60)), comm)
    held = [(data.x[:30], data.t[:30]), (data.x[30:45], data.t[30:45])]
    expected = one.fit(batches(data), 2, validation=held)
    seen = []
    history = pipeline.fit(
        batches(data), 2, validation=held, callbacks=[lambda _, record: seen.append(record.epoch)]
    )
    assert same(alone, spread)
    assert seen == [1, 2]
    for mine, other in zip(history["val_loss"], expected["val_loss"], strict=True):
        assert mine == pytest.approx(other, rel=1e-6)
    assert history["val_accuracy"] == pytest.approx(expected["val_accuracy"])
    assert history["cosine"] == pytest.approx(expected["cosine"])


@pytest.mark.parallel([2, 3])
def test_loose_pipelines_count_what_they_read_too_early(comm, data, mlp, learner) -> None:
    pipeline = f3.Pipeline(learner(mlp(depth=4), f3.DelayedError(60)), comm, strict=False)
    once = [(data.ids, data.x, data.t)] * 6  # the errors of a batch are wanted by the next
    history = pipeline.fit(once, 1)
    assert history["loss"][0] > 0
    assert all(0 <= r.stale_reads <= 6 * 60 for r in pipeline.report())
    strict = f3.Pipeline(learner(mlp(depth=4), f3.DelayedError(60)), comm)
    model = mlp(depth=4)
    expected = learner(model, f3.DelayedError(60)).fit(once, 1)
    assert strict.fit(once, 1)["loss"] == pytest.approx(expected["loss"], rel=1e-12)
    assert same(model, strict.learner.model)


@pytest.mark.parallel([2])
def test_checkpoints_go_on_in_mid_epoch_on_other_numbers_of_ranks(
    comm, data, mlp, learner, shared
) -> None:
    factory = lambda p: torch.optim.Adam(p, lr=1e-2)

    def make() -> f3.Learner:
        return learner(mlp(depth=3), f3.DelayedError(60), optimizer=factory)

    through, whole = make(), make()
    whole.fit(batches(data), 3)
    pipeline = f3.Pipeline(through, comm, cuts=[2])
    epochs = iter(batches(data))
    pipeline.epoch(iter([next(epochs), next(epochs), next(epochs)]))
    from f3.distributed.fitting import save_folder

    save_folder(shared / "run", pipeline)
    for parts in (comm, None):  # the same number of ranks, and one process
        learn = make()
        f3.load(shared / "run", learn)
        assert (learn.epoch, learn.batch, learn.steps) == (0, 3, 3)
        if parts is None:
            learn.fit(batches(data), 3)
        else:
            f3.Pipeline(learn, parts, cuts=[1]).fit(batches(data), 3)
        assert same(learn.model, whole.model)


@pytest.mark.parallel([3])
def test_a_checkpoint_of_one_process_goes_on_in_a_pipeline(
    comm, data, mlp, learner, shared
) -> None:
    whole = learner(mlp(depth=3), f3.DelayedError(60, one_hot=True))
    part = learner(mlp(depth=3), f3.DelayedError(60, one_hot=True))
    whole.fit(batches(data), 2)
    part.fit(batches(data), 1)
    if comm.rank == 0:
        f3.save(shared / "one.pt", part)
    comm.barrier()
    loaded = learner(mlp(depth=3), f3.DelayedError(60, one_hot=True))
    f3.load(shared / "one.pt", loaded)
    f3.Pipeline(loaded, comm).fit(batches(data), 2, checkpoint=shared / "ranks", every=2)
    assert same(loaded.model, whole.model)
    again = learner(mlp(depth=3), f3.DelayedError(60, one_hot=True))
    f3.load(shared / "ranks", again)
    assert again.epoch == 2
    assert same(again.model, whole.model)


@pytest.mark.parallel([2, 3])
def test_bad_batches_raise_on_all_ranks_after_the_good_ones(comm, data, mlp, learner) -> None:
    pipeline = f3.Pipeline(learner(mlp(depth=3), f3.DelayedError(60)), comm)
    good = [(data.ids[:20], data.x[:20], data.t[:20])] * 2
    bad = (data.ids[:20] + 50, data.x[:20], data.t[:20])
    with pytest.raises(IndexError, match="from 0 to 59"):
        pipeline.epoch(iter([*good, bad]))
    comm.barrier()
    assert pipeline.learner.steps >= 1


@pytest.mark.parallel([2, 3])
def test_what_a_pipeline_can_not_do(comm, data, mlp, learner) -> None:
    with pytest.raises(f3.ModeError, match="known before the forward pass"):
        f3.Pipeline(learner(mlp(), f3.CurrentError()), comm)
    with pytest.raises(ValueError, match="can't share"):
        f3.Pipeline(learner(f3.Sequential(nn.Linear(8, 4))), comm)
    with pytest.raises(ValueError, match="rising block numbers"):
        f3.Pipeline(learner(mlp(depth=3)), comm, cuts=[2] * (comm.size - 1) + [2])
    with pytest.raises(ValueError, match="disagree"):
        f3.Pipeline(learner(mlp(depth=4), seed=comm.rank), comm)


def test_cuts_balance_the_largest_part() -> None:
    assert balanced_cuts([1, 1, 1, 1], 2) == [2]
    assert balanced_cuts([5, 1, 1, 1, 1, 1], 2) == [1]
    assert balanced_cuts([1, 1, 1, 9], 3) in ([1, 3], [2, 3])
    assert balanced_cuts([3.0], 1) == []
    with pytest.raises(ValueError, match="can't share"):
        balanced_cuts([1, 1], 3)
    with pytest.raises(ValueError, match="rising"):
        stages([2, 1], 4, 3)


FAILING = """
import os, pathlib, signal, sys, time
import torch, f3
from torch import nn
from mpi_utils import world

comm = world()
x, t = torch.randn(64, 8), torch.randint(3, (64,))

class Faulty(nn.Linear):
    calls = 0
    def forward(self, h):
        Faulty.calls += 1
        if Faulty.calls == 12 and comm.rank == 1:
            pathlib.Path(sys.argv[1]).write_text(str(time.time()))
            {how}
        return super().forward(h)

blocks = [nn.Sequential(nn.Linear(8, 8), nn.Tanh()), nn.Sequential(Faulty(8, 8), nn.Tanh())]
learner = f3.Learner(
    f3.Sequential(*blocks, nn.Linear(8, 3)),
    loss=nn.CrossEntropyLoss(),
    error=f3.DelayedError(64),
    optimizer=lambda p: torch.optim.SGD(p, lr=0.1),
)
f3.Pipeline(learner, comm, cuts=[1]).fit(f3.TensorBatches(x, t, 4), 1000)
"""


@pytest.mark.parametrize(
    "how", ["os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError('lost')"]
)
def test_a_rank_that_dies_takes_all_with_it(tmp_path, how) -> None:
    script = tmp_path / "failing.py"
    script.write_text(textwrap.dedent(FAILING).replace("{how}", how))
    when = tmp_path / "when"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PMI", "OMPI_COMM", "PMIX"))}
    beside = Path(sys.executable).with_name("mpirun")
    launcher = str(beside) if beside.exists() else "mpirun"
    ended = subprocess.run(
        [launcher, "-n", "2", sys.executable, str(script), str(when)],
        env=clean | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert ended.returncode != 0
    assert time.time() - float(when.read_text()) < 5
    if "lost" in how:
        assert "rank 1 of the pipeline failed" in ended.stderr
        assert "ValueError: lost" in ended.stderr
