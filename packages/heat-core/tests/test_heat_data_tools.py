"""Datasets, loaders, samplers, matrices with known properties, and data-parallel training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import heat_core as ht
from heat_core.utils import data as tools

RANKS = [1, 2, 3, 4, 7]


def everything(rows: list[torch.Tensor], comm: ht.Communicator) -> np.ndarray:
    """The rows of all ranks."""
    parts = comm.handle.allgather([row.numpy() for row in rows])
    return np.concatenate([np.atleast_1d(row) for part in parts for row in part])


@pytest.mark.parallel(RANKS)
def test_batches_are_as_many_on_all_ranks_and_hold_every_row() -> None:
    X = ht.arange(29, split=0)
    for shuffle in (False, True):
        dataset = tools.Dataset([X, X * 10], transforms=[None, lambda row: row + 1], random_state=0)
        loader = tools.DataLoader(dataset, 4, shuffle=shuffle)
        batches = list(loader)
        counts = X.comm.handle.allgather(len(batches))
        assert set(counts) == {len(loader)}
        assert all(len(first) <= 4 for first, _ in batches)
        for first, second in batches:
            assert torch.equal(first * 10 + 1, second)
        seen = everything([first for first, _ in batches], X.comm)
        assert sorted(seen) == list(range(29)) and (list(seen) == sorted(seen)) != shuffle
    fixed = tools.Dataset(X, test_set=True)
    tools.dataset_shuffle(fixed)
    tools.dataset_ishuffle(fixed, [])
    assert torch.equal(fixed.arrays[0].larray, X.larray)
    dropped = tools.DataLoader(tools.Dataset(ht.arange(40, split=0)), 3, drop_last=True)
    assert {len(batch) for batch in dropped} <= {3}
    for wrong in (lambda: tools.Dataset([X, X[:3]]), lambda: tools.DataLoader(dataset, 0)):
        with pytest.raises(ValueError, match=r"rows|batch_size"):
            wrong()


@pytest.mark.parallel(RANKS)
@pytest.mark.parametrize("kind", ["global", "local"])
def test_samplers(kind: str) -> None:
    X = ht.arange(23, split=0)
    dataset, targets = tools.DistributedDataset(X), tools.DistributedDataset(X * 2)
    sampler = tools.DistributedSampler(dataset, shuffle=True, seed=4, shuffle_type=kind)
    sampler.link(targets)
    orders = []
    for _ in range(2):
        numbers = list(sampler)
        rows = [dataset[k] for k in numbers]
        seen = everything(rows, X.comm)
        assert sorted(seen) == list(range(23))
        orders.append(list(seen))
        assert all(int(targets[k]) == 2 * int(dataset[k]) for k in range(len(dataset)))
    assert orders[0] != orders[1] and orders[0] != sorted(orders[0])
    sampler.unlink()
    plain = tools.DistributedSampler(dataset)
    assert list(plain) == list(range(len(dataset)))
    with pytest.raises(ValueError, match="shuffle_type"):
        sampler.set_shuffle_type("x")


@pytest.mark.parallel([1, 2, 3, 4])
def test_parts_for_training() -> None:
    X = ht.arange(100, split=0).reshape((50, 2))
    y = ht.arange(50, split=0)
    parts = ht.utils.data.create_train_val_split(X, y, 0.8, seed=1)
    assert [len(part) for part in parts] == [40, 40, 10, 10]
    for rows, targets in (parts[:2], parts[2:]):
        np.testing.assert_array_equal(rows.numpy()[:, 0], 2 * targets.numpy())
    assert sorted([*parts[1].tolist(), *parts[3].tolist()]) == list(range(50))
    alone = ht.utils.data.create_train_val_split(ht.array(X.numpy()), ht.array(y.numpy()), 0.8, 1)
    np.testing.assert_array_equal(alone[3].numpy(), parts[3].numpy())
    with pytest.raises(ValueError, match="within"):
        tools.create_train_val_split(X, y, 1.5)


@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize("shuffle", [False, True])
def test_files_larger_than_a_window(tmp_path: Path, shuffle: bool) -> None:
    comm = ht.get_comm()
    path = comm.handle.bcast(tmp_path) / "rows.h5"
    X = ht.arange(61, split=0)
    ht.save_hdf5(X, path, "data")
    ht.save_hdf5(X * 3, path, "labels", mode="a")
    dataset = tools.PartialH5Dataset(
        path, dataset_names=["data", "labels"], initial_load=5, transforms=[lambda b: -b, None]
    )
    loader = tools.DataLoader(dataset, 4, shuffle=shuffle)
    batches = list(loader)
    # 61 rows: 21, 20 and 20 on three ranks would be six batches of four, or five.
    assert set(comm.handle.allgather(len(batches))) == {len(loader)}
    assert max(len(first) for first, _ in batches) <= 4
    again = [first for first, _ in loader]
    assert all(map(torch.equal, again, [first for first, _ in batches])) != shuffle
    dropped = [len(first) for first, _ in tools.DataLoader(dataset, 4, drop_last=True)]
    assert dropped == [4] * (61 // comm.size // 4)
    assert max(len(window[0]) for window in dataset.windows()) <= 5
    assert all(torch.equal(-3 * first, second) for first, second in batches)
    seen = everything([-first for first, _ in batches], comm)
    assert sorted(seen) == list(range(61)) and (list(seen) == sorted(seen)) != shuffle
    assert isinstance(iter(tools.PartialH5DataLoaderIter(tools.DataLoader(dataset, 4))),
                      tools.PartialH5DataLoaderIter)  # fmt: skip
    assert tools.hdf5_shape(path, "data") == (61,)
    windows = [(first, part.tolist()) for first, part in tools.hdf5_windows(path, "data", 25)]
    assert [first for first, _ in windows] == [0, 25, 50]
    assert [row for _, rows in windows for row in rows] == list(range(61))
    with pytest.raises(KeyError):
        tools.PartialH5Dataset(path, dataset_names="nothing")


@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize("split", [None, 0, 1])
def test_matrix_gallery(split: int | None) -> None:
    gallery = tools.matrixgallery
    for dtype in ("float64", "complex128"):
        a = gallery.hermitian(9, dtype, split=split, random_state=0)
        assert a.split == split and a.dtype.name == dtype
        np.testing.assert_allclose(a.numpy(), a.numpy().conj().T)
        b = gallery.hermitian(9, dtype, split=split, positive_definite=True, random_state=0)
        assert np.linalg.eigvalsh(b.numpy())[0] > 0
    i = np.arange(8.0)
    p = gallery.parter(8, split=split, dtype="float64")
    np.testing.assert_allclose(p.numpy(), 1 / (i[:, None] - i + 0.5))
    q = gallery.random_orthogonal(12, 5, split=split, dtype="float64", random_state=1).numpy()
    np.testing.assert_allclose(q.T @ q, np.eye(5), atol=1e-12)
    values = ht.array([5.0, 2.0, 1.0])
    a, (u, s, v) = gallery.random_known_singularvalues(10, 7, values, split, dtype="float64")
    np.testing.assert_allclose(np.linalg.svd(a.numpy())[1][:3], [5, 2, 1])
    np.testing.assert_allclose((u.numpy() * s.numpy()) @ v.numpy().T, a.numpy(), atol=1e-12)
    a, _ = gallery.random_known_rank(10, 7, 4, split, dtype="float64", random_state=0)
    assert np.linalg.matrix_rank(a.numpy()) == 4 and a.split == split
    for wrong in (
        lambda: gallery.random_orthogonal(3, 5),
        lambda: gallery.random_known_rank(3, 3, 4),
    ):
        with pytest.raises(ValueError, match=r"orthonormal|rank"):
            wrong()


@pytest.mark.parallel([1, 2, 3])
def test_clusters_of_known_shapes() -> None:
    balls = tools.spherical.create_spherical_dataset(50, radius=1, offset=4).numpy()
    assert balls.shape == (200, 3)
    centres = np.array([-8.0, -4, 4, 8])[:, None, None]
    far = np.sqrt(((balls - centres) ** 2).sum(2))
    assert (far.min(0) <= 1 + 1e-6).all() and (np.bincount(far.argmin(0)) == 50).all()
    means, std = ht.array([[0.0, 0.0], [9.0, 9.0]]), ht.ones((2, 2)) * 0.1
    weight = ht.array([0.9, 0.1])
    rows = tools.spherical.create_clusters(500, 2, 2, means, std, weight, random_state=0).numpy()
    assert rows.shape == (500, 2) and 20 < (rows[:, 0] > 4).sum() < 90


@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize("blocking", [False, True])
def test_training_on_all_ranks_is_training_on_all_rows(blocking: bool) -> None:
    rng = np.random.default_rng(0)
    rows, targets = rng.normal(size=(24, 3)).astype("f4"), rng.normal(size=(24, 1)).astype("f4")
    comm = ht.get_comm()

    def network(seed: int) -> torch.nn.Module:
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 1))

    reference = network(0)
    plain = torch.optim.SGD(reference.parameters(), 0.1)
    own = network(comm.rank)
    optimizer = ht.optim.DataParallelOptimizer(ht.optim.SGD(own.parameters(), 0.1), blocking)
    model = ht.nn.DataParallel(own, comm, optimizer, bucket_elements=6)
    x, y = (ht.array(part, split=0).larray for part in (rows, targets))
    for _ in range(5):
        plain.zero_grad()
        ht.nn.functional.mse_loss(
            reference(torch.from_numpy(rows)), torch.from_numpy(targets)
        ).backward()
        plain.step()
        optimizer.zero_grad()
        ht.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    for got, want in zip(model.parameters(), reference.parameters(), strict=True):
        np.testing.assert_allclose(got.detach(), want.detach(), atol=1e-6)
    assert ht.nn.Linear is torch.nn.Linear and ht.optim.lr_scheduler is torch.optim.lr_scheduler
    with pytest.raises(TypeError, match="torch"):
        ht.optim.DataParallelOptimizer(None)


class Branches(torch.nn.Module):
    """Layers of two types, of which a pass uses some."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(2, 3) for _ in range(4)])
        self.last = torch.nn.Linear(3, 1, dtype=torch.float64)

    def forward(self, x: torch.Tensor, used: list[int]) -> torch.Tensor:
        return self.last(sum(self.layers[k](x) for k in used).double())


@pytest.mark.parallel([1, 2, 3, 4])
@pytest.mark.parametrize("blocking", [False, True])
@pytest.mark.parametrize("elements", [1, 8, 1000])
def test_ranks_may_use_different_parameters(blocking: bool, elements: int) -> None:
    comm = ht.get_comm()
    own, reference = Branches(), Branches()
    model = ht.nn.DataParallel(own, comm, None, blocking, bucket_elements=elements)
    reference.load_state_dict(own.state_dict())
    # In other orders, one layer on some ranks only, layer 3 nowhere, and an idle last rank.
    uses = [[0, 1] if rank % 2 else [1, 2, 0] for rank in range(comm.size)]
    uses[-1] = uses[-1] if comm.size == 1 else []
    x = torch.arange(8.0).reshape(4, 2)
    for passes in (1, 2):  # the second time, gradients grow after they have been sent
        for _ in range(passes):
            if uses[comm.rank]:
                model(x + comm.rank, uses[comm.rank]).sum().backward()
            for rank, used in enumerate(uses):
                if used:
                    (reference(x + rank, used).sum() / comm.size).backward()
        model.wait()
        for (name, got), want in zip(own.named_parameters(), reference.parameters(), strict=True):
            assert (got.grad is None) == (want.grad is None) == name.startswith("layers.3")
            if want.grad is not None:
                np.testing.assert_allclose(got.grad, want.grad, rtol=1e-5)
        own.zero_grad(), reference.zero_grad()


def test_plateaus() -> None:
    detector = ht.optim.utils.DetectMetricPlateau(patience=2, threshold=0.1, cooldown=2)
    found = [detector.test_if_improving(v) for v in (1.0, 0.5, 0.49, 0.48, 0.47, 0.47, 0.47, 0.2)]
    assert found == [False, False, False, False, True, False, False, False]
    state = detector.get_state()
    other = ht.optim.utils.DetectMetricPlateau(mode="max", threshold_mode="abs")
    assert other.is_better(2.0, 1.0) and not other.is_better(1.00001, 1.0)
    other.set_state(state)
    assert other.best == 0.2 and not other.in_cooldown
    other.reset()
    assert other.num_bad_epochs == 0
    with pytest.raises(ValueError, match="mode"):
        ht.optim.utils.DetectMetricPlateau("middle")
