"""Damage to a file: what disks, editors, transfers and people do to it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

__all__ = ["mutated"]

#: what parsers stumble over
AWKWARD = [
    b"", b"\0", b"\n", b"\r\n", b",", b";", b'"', b"'", b"{", b"}", b"[", b"]", b":", b"=", b"#",
    b"-", b"-1", b"0", b"1e999", b"nan", b"inf", b"null", b"true", b"9" * 30, b"\xff",
    b"\xef\xbb\xbf", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"../",
    b" " * 40,
]  # fmt: skip


def _flip(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data))
    data[place] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] = rng.randrange(256)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _remove(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.randint(1, 16)]


def _insert(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.choice(AWKWARD)


def _replace(data: bytearray, rng: random.Random) -> None:
    place, new = rng.randrange(len(data)), rng.choice(AWKWARD)
    data[place : place + len(new)] = new


def _repeat(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    part = data[start : start + rng.randint(1, 64)]
    data[start:start] = part * rng.randint(1, 4)


def _digits(data: bytearray, rng: random.Random) -> None:
    """Another number in the place of one."""
    places = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if places:
        place = rng.choice(places)
        data[place : place + 1] = rng.choice([b"-1", b"0", b"4294967296", b"1e308", b".5", b"x"])


DAMAGES: Sequence[Callable[[bytearray, random.Random], None]] = (
    _flip, _overwrite, _cut, _remove, _insert, _replace, _repeat, _digits,
)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with one to six damages."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        if changed:
            rng.choice(DAMAGES)(changed, rng)
    return bytes(changed)
