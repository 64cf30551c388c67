"""Damage to files: of any kind in their bytes, of some kinds in what they say."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from fststyle.benchmarks.robustness.seeds import HEIGHT, WIDTH
from fststyle.benchmarks.robustness.structures import mutate_npz, mutate_onnx, mutate_safetensors

Random = random.Random
Mutation = Callable[[bytearray, Random, Sequence[bytes]], bytes | bytearray]
"""Of a file's bytes, with what it draws from and other files of the kind."""

HUGE = (0, 1, 0x7FFF, 0xFFFF, 0x10000, 200_000, 0x7FFFFFFF, 0xFFFFFFFF)
"""What sizes and counts become."""


class Damage(NamedTuple):
    """A damaged file, and the names of what was done to it."""

    data: bytes
    done: str


def bits(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """One to eight bits flipped."""
    for _bit in range(random.randint(1, 8)):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return data


def head_bits(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """One to four bits flipped where files say what they are."""
    for _bit in range(random.randint(1, 4)):
        data[random.randrange(min(len(data), 256))] ^= 1 << random.randrange(8)
    return data


def many_bytes(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """A byte in fifty made another."""
    for _byte in range(1 + len(data) // 50):
        data[random.randrange(len(data))] = random.randrange(256)
    return data


def truncated(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """The beginning only."""
    return data[: random.choice((random.randrange(len(data)), random.randrange(64), len(data) - 1))]


def filled(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """A stretch of one value."""
    start, end = _stretch(data, random)
    data[start:end] = bytes([random.choice((0, 0, 0xFF))]) * (end - start)
    return data


def swapped(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """Two stretches in each other's place."""
    a, b, c, d = sorted(random.randrange(len(data) + 1) for _edge in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def repeated(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """A stretch twice."""
    start, end = _stretch(data, random)
    return data[:end] + data[start:]


def removed(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """Without a stretch."""
    start, end = _stretch(data, random)
    return data[:start] + data[end:]


def inserted(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """Random bytes in between."""
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.randint(1, 64)) + data[at:]


def integers(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """A number in the head made huge, or nothing."""
    size, order = random.choice((2, 4, 4, 8)), random.choice(("<", ">"))
    at = random.randrange(max(1, min(len(data), 200) - size))
    data[at : at + size] = _packed(random.choice(HUGE), size, order)
    return data


def dimensions(data: bytearray, random: Random, _: Sequence[bytes]) -> bytearray:
    """The width or the height made huge wherever it is said."""
    value = random.choice((WIDTH, HEIGHT))
    for size in (4, 2):
        for order in ("<", ">"):
            before = _packed(value, size, order)
            if 0 <= data.find(before) < 4096:
                return data.replace(before, _packed(random.choice(HUGE), size, order), 2)
    return integers(data, random, ())


def spliced(data: bytearray, random: Random, others: Sequence[bytes]) -> bytes:
    """The beginning of one file and the end of another, or all of both."""
    other = random.choice(others)
    if random.random() < 0.3:
        return bytes(data) + other
    return bytes(data[: random.randrange(len(data))]) + other[random.randrange(len(other)) :]


def noise(data: bytearray, random: Random, _: Sequence[bytes]) -> bytes:
    """Random bytes, or none at all."""
    return random.randbytes(random.choice((0, 1, 16, len(data))))


ANY: tuple[Mutation, ...] = (
    *(bits, bits, head_bits, head_bits, many_bytes, truncated, truncated, filled, swapped),
    *(repeated, removed, inserted, integers, integers, dimensions, dimensions, spliced, noise),
)
"""Done to files of every kind; what stands twice is done twice as often."""


def damage(name: str, data: bytes, random: Random, others: Sequence[bytes]) -> Damage:
    """``data`` of a file called ``name`` damaged in one to three ways; ``others``: files of the
    kind."""
    structured = _BY_SUFFIX.get(name.rpartition(".")[2])
    if structured and random.random() < 0.6:
        return Damage(structured(data, random, others), structured.__name__)
    result, done = bytearray(data), []
    for _way in range(random.choice((1, 1, 1, 2, 3))):
        mutation = random.choice(ANY)
        if len(result) > 1:
            result = bytearray(mutation(result, random, others))
            done.append(mutation.__name__)
    return Damage(bytes(result), "+".join(done))


def damage_card(name: str, data: bytes, random: Random) -> Damage:
    """``data`` with another card: a .safetensors or .onnx file."""
    if name.endswith(".onnx"):
        return Damage(mutate_onnx(data, random, card=True), "card")
    return Damage(mutate_safetensors(data, random, card=True), "card")


def png_chunks(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Damage within the chunks of a PNG, their check sums right again, so that it is decoded."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append([data[at + 4 : at + 8], data[at + 8 : at + 8 + length]])
        at += 12 + length
    number = random.choice((0, random.randrange(len(chunks))))
    chunks[number][1] = _damaged_part(chunks[number][1], random, others)
    if random.random() < 0.2:
        one, two = (random.randrange(len(chunks)) for _chunk in range(2))
        chunks[one], chunks[two] = chunks[two], chunks[one]
    made = data[:8]
    for kind, content in chunks:
        made += struct.pack(">I", len(content)) + kind + content
        made += struct.pack(">I", zlib.crc32(kind + content))
    return made


def zip_members(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Damage within a member of a .pth, its check sum right again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    pickled = next((i for i, (name, _) in enumerate(members) if name.endswith("data.pkl")), 0)
    number = random.choice((pickled, random.randrange(len(members))))
    name, content = members[number]
    members[number] = name, _damaged_part(content, random, others)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return made.getvalue()


def arrays(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Arrays of an .npz with other names, types or sizes; or as ``zip_members``."""
    if random.random() < 0.4:
        return zip_members(data, random, others)
    return mutate_npz(data, random)


def tensors(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """Another head of a .safetensors file."""
    return mutate_safetensors(data, random)


def graph(data: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """Another graph in an .onnx file."""
    return mutate_onnx(data, random)


_BY_SUFFIX: dict[str, Callable[[bytes, Random, Sequence[bytes]], bytes]] = {
    "png": png_chunks,
    "pth": zip_members,
    "npz": arrays,
    "safetensors": tensors,
    "onnx": graph,
}


def _damaged_part(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    if len(data) < 2:
        return random.randbytes(random.randint(0, 16))
    return bytes(random.choice(ANY)(bytearray(data), random, others))


def _stretch(data: bytearray, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data))
    return start, min(len(data), start + random.choice((1, 4, 16, 256, len(data) // 4 + 1)))


def _packed(value: int, size: int, order: str) -> bytes:
    return (value % 2 ** (8 * size)).to_bytes(size, "little" if order == "<" else "big")
