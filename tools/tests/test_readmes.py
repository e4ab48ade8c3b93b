"""Every code block of every README and of every page of the documentation runs as it stands."""

from pathlib import Path

import pytest

from tools.testing.readme import BlockError, blocks, run_story
from tools.workspace import ROOT, packages

PAGES = ROOT / "tools" / "docs" / "pages"
READMES = {
    "README": ROOT / "README.md",
    **{package.name: package.readme for package in packages()},
    **{str(page.relative_to(PAGES)): page for page in sorted(PAGES.rglob("*.md"))},
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", READMES)
def test_readme(name: str, tmp_path: Path) -> None:
    run_story(READMES[name], tmp_path)


def story(folder: Path, text: str) -> None:
    readme = folder / "README.md"
    readme.write_text(text)
    place = folder / "place"
    place.mkdir()
    run_story(readme, place)


def test_blocks_are_a_story(tmp_path: Path) -> None:
    text = """
```bash
pip install "heat-core[hdf5] @ git+https://example.org/hpc-ml#subdirectory=packages/heat-core"
python -m pip install mpi-utils[mpich] ./packages/daso
git clone https://example.org/hpc-ml.git
cd hpc-ml
hatch run test heat-core
cd ..
```
Save this as `hello.py`:
```python
# hello.py
from mpi4py import MPI
with open(f"rank{MPI.COMM_WORLD.rank}", "w") as file:
    print("hello", file=file)
```
```bash
mpirun -n 2 python hello.py
cat rank1
```
```text
hello
```
- indented
  ```python
  assert open("rank0").read() == "hello\\n"
  ```
```toml
dependencies = ["mpi-utils>=2026.11"]
```
"""
    story(tmp_path, text)
    assert (tmp_path / "place" / "rank1").read_text() == "hello\n"


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```python\nassert 1 == 2\n```", "AssertionError"),
        ("```bash\nfalse | cat\n```", "status 1"),
        ("```bash\npip install daso[nope]\n```", "declares no extra"),
        ("```bash\npip install some-other-thing\n```", "is not used in this workspace"),
        ("```bash\npip install 'daso @ git+https://e.org/x#subdirectory=packages/f3'\n```", "f3"),
        ("```bash\npip install ./packages/nope\n```", "does not exist"),
        ("```bash\npython -m pip install 'daso>>1'\n```", "is no requirement"),
        ("```bash\nhatch run nope\n```", "no script"),
        ("```bash\n#!/bin/bash\nif true; then\n```", "status 2"),
        ("```sh\ntrue\n```", "sh blocks are not known"),
        ("```\ntrue\n```", "unnamed blocks are not known"),
        ("```python\n", "never closed"),
    ],
)
def test_wrong_blocks_are_found(tmp_path: Path, block: str, message: str) -> None:
    with pytest.raises(BlockError, match=message):
        story(tmp_path, block)


def test_longer_fences_hold_shorter_ones() -> None:
    found = blocks("````text\n```python\n1/0\n```\n````\n")
    assert [(block.language, block.line) for block in found] == [("text", 1)]
