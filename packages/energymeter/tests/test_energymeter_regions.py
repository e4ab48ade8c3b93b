"""Regions, phases and steps: what is recorded, and that it adds up."""

import asyncio
import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import energymeter as em
from energymeter import recorder
from energymeter.analysis.attribution import OUTSIDE, Instance, attribute
from energymeter.analysis.events import load_events


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Records into a folder; gives a function that reads it back."""
    (tmp_path / "events").mkdir()
    for name in list(os.environ):
        if name.startswith(("PMI", "OMPI")):
            monkeypatch.delenv(name)
    before = recorder.set_target((str(tmp_path), "node"))

    def read():
        recorder._target.close()
        found, warnings = load_events(tmp_path / "events")
        assert warnings == []
        return found

    yield read
    recorder.restore_target(before)


def conserved(instances, start=0, stop=10**9):
    curve = lambda t: np.asarray(t, dtype=float) / 1e7 + np.sin(np.asarray(t) / 1e8)
    found = attribute(instances, start, stop, curve)
    total = float(curve(stop) - curve(start))
    assert sum(found.exclusive.values()) == pytest.approx(total, rel=1e-9)
    assert sum(found.phases.values()) == pytest.approx(total, rel=1e-9)
    for path, joules in found.inclusive.items():
        shares = [v for (p, _), v in found.shares.items() if p == path]
        assert sum(shares) == pytest.approx(joules, rel=1e-9, abs=1e-9)
    return found


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(0, 10**9),
            st.integers(0, 10**9),
            st.sampled_from(["", "training", "io"]),
            st.integers(-1, 20),
        ),
        max_size=25,
    )
)
def test_regions_phases_and_shares_add_up(entries):
    """Any regions on three ranks, overlapping, nested or empty."""
    instances = []
    for number, (rank, a, b, phase, parent) in enumerate(entries):
        mother = (
            (f"p{rank}", parent)
            if 0 <= parent < number and instances[parent].rank == rank
            else None
        )
        path = f"r{number % 4}"
        instances.append(
            Instance((f"p{rank}", number), rank, path, phase, min(a, b), max(a, b), mother)
        )
    conserved(instances)


def test_innermost_regions_get_the_energy():
    outer = Instance(("p", 1), 0, "a", "", 0, 1000, None)
    inner = Instance(("p", 2), 0, "a/b", "x", 200, 500, ("p", 1))
    found = attribute([outer, inner], 0, 2000, lambda t: np.asarray(t, dtype=float))
    assert found.exclusive == {(0, "a"): 700, (0, "a/b"): 300, (-1, OUTSIDE): 1000}
    assert found.inclusive == {"a": 1000, "a/b": 300}
    assert found.phases == {"x": 300, "unphased": 1700}


def test_ranks_in_one_region_share_the_node():
    both = [Instance((f"p{r}", 1), r, "a", "", 0, 1000 + 1000 * r) for r in (0, 1)]
    found = attribute(both, 0, 3000, lambda t: np.asarray(t, dtype=float))
    assert found.inclusive["a"] == 2000
    assert found.shares == {("a", 0): 500, ("a", 1): 1500}


def test_different_phases_at_once_are_mixed():
    pair = [Instance((f"p{r}", 1), r, "a", name, 0, 500) for r, name in enumerate(["x", "y"])]
    found = attribute(pair, 0, 1000, lambda t: np.asarray(t, dtype=float))
    assert found.phases == {"mixed": 500, "unphased": 500}


def test_nesting_recursion_exceptions_and_steps(recorded):
    @em.region("fact", samples=2)
    def fact(n):
        return 1 if n == 0 else n * fact(n - 1)

    with em.phase("training"):
        assert fact(3) == 6
        with pytest.raises(KeyError), em.region("bad"):
            raise KeyError
        with em.region("sub", phase="io") as r:
            r.step(samples=5)
    (process,) = recorded()
    paths = [i.path for i in process.instances]
    assert paths == ["training", *["training/fact"] * 4, "training/bad", "training/sub"]
    assert [i.failed for i in process.instances] == [False] * 5 + [True, False]
    assert {i.phase for i in process.instances} == {"training", "io"}
    assert sum(s.samples for s in process.steps) == 13
    stop = max(i.stop for i in process.instances)
    conserved(process.instances, process.instances[0].start, stop)


def test_generators_coroutines_and_results(recorded):
    @em.region()
    def numbers(n):
        received = []
        for k in range(n):
            answer = yield k
            received += [answer]
        return received

    @em.region("inside", active_only=True)
    def thrifty():
        yield 1
        yield 2

    @em.region("co")
    async def work(k):
        await asyncio.sleep(0)
        return k

    @em.region("stream")
    async def stream():
        yield 1
        yield 2

    async def main():
        assert [x async for x in stream()] == [1, 2]
        with em.region("all"):
            return await asyncio.gather(*(work(k) for k in range(100)))

    generator = numbers(2)
    assert next(generator) == 0
    with em.region("between"):
        assert generator.send("a") == 1
    with pytest.raises(StopIteration) as end:
        generator.send("b")
    assert end.value.value == ["a", "b"]
    assert list(thrifty()) == [1, 2]
    assert asyncio.run(main()) == list(range(100))
    assert numbers.__name__ == "numbers"
    (process,) = recorded()
    paths = [i.path for i in process.instances]
    assert paths.count("all/co") == 100
    assert paths.count("inside") == 3  # each stretch between two yields
    assert "between" in paths
    assert not any(i.failed for i in process.instances)
    conserved(process.instances, process.instances[0].start, max(i.stop for i in process.instances))


def test_eight_threads_have_stacks_of_their_own(recorded):
    def work(name):
        for _ in range(200):
            with em.region(name), em.region("inner"):
                pass

    threads = [threading.Thread(target=work, args=(f"t{k}",)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (process,) = recorded()
    assert len(process.instances) == 8 * 200 * 2
    assert {i.path for i in process.instances} == {
        f"t{k}{s}" for k in range(8) for s in ("", "/inner")
    }
    assert all(i.stop < 2**61 for i in process.instances)
    conserved(process.instances, process.instances[0].start, max(i.stop for i in process.instances))


def test_a_forked_child_has_a_file_of_its_own(recorded):
    with em.region("parent"):
        pid = os.fork()
        if pid == 0:
            with em.region("child"):
                pass
            os._exit(0)
        os.waitpid(pid, 0)
    found = recorded()
    assert sorted(i.path for p in found for i in p.instances) == ["child", "parent"]
    assert len({p.pid for p in found}) == 2


def test_marks_and_many_events(recorded):
    em.mark("epoch", 3.5)
    for _ in range(20_000):  # more than one stretch of the file
        with em.region("x"):
            pass
    (process,) = recorded()
    assert (process.marks[0].name, process.marks[0].value) == ("epoch", 3.5)
    assert len(process.instances) == 20_000


def test_without_an_agent_nothing_happens():
    before = recorder.set_target(None)
    with em.region("x") as r:
        r.step(3)
    assert r.energy is None
    assert em.snapshot() is None
    assert em.current_run() is None
    recorder.restore_target(before)


@pytest.mark.parametrize("name", ["", "a/b"])
def test_names_that_are_refused(name):
    with pytest.raises(ValueError, match="name of a region"):
        em.region(name)
