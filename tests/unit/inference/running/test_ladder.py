"""The memory ladder on a GPU and a CPU that are fakes: what is tried, in which order, and that memory is let go of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from inference.model import Opinion
from inference.running.conditions import Conditions
from inference.running.ladder import OutOfMemoryError as NoRungLeftError
from inference.running.ladder import read_with_less, rungs
from inference.running.memory import is_device_lost, is_out_of_memory
from inference.volume import Volume
from voorrang.pathways.criteria import SeriesCriteria

VOLUME = Volume(np.zeros((3, 4, 4), np.float32), (0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))
ON_GPU = Conditions("cuda", "bfloat16")
SAID = Opinion(0.5, ())


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@dataclass
class Memory:
    """The memory of one device, bytes."""

    size: int
    used: int = 0

    def take(self, amount: int) -> Block:
        """Take a block, or say that there is none."""
        if self.used + amount > self.size:
            raise OutOfMemoryError(f"tried to allocate {amount} bytes")
        return Block(self, amount)


class Block:
    """Is given back when nobody holds it any more, as tensors are."""

    def __init__(self, memory: Memory, amount: int) -> None:
        self.memory, self.amount = memory, amount
        memory.used += amount

    def __del__(self) -> None:
        self.memory.used -= self.amount


@dataclass
class Network:
    """A model whose weights take 10 bytes and whose window takes 80, in two halves."""

    memories: dict[str, Memory]
    tried: list[Conditions] = field(default_factory=list)
    in_use: list[dict[str, int]] = field(default_factory=list)
    error: Exception | None = None
    model_id: str = "network"
    version: str = "1"
    weights_digest: str = "0"
    operating_point: float = 0.5
    scope: SeriesCriteria = field(default_factory=lambda: SeriesCriteria(region="chest"))
    _weights: Block | None = None

    def run_under(self, conditions: Conditions) -> None:
        """Move the weights."""
        self.in_use.append({name: memory.used for name, memory in self.memories.items()})
        self.tried.append(conditions)
        self._weights = None
        self._weights = self.memories[conditions.device].take(10)

    def read(self, volume: Volume) -> Opinion:
        """Compute in two steps, the second of which needs what the first made."""
        conditions = self.tried[-1]
        half = int(40 * conditions.window_share)
        first = self.memories[conditions.device].take(half)
        if self.error is not None:
            raise self.error
        second = self.memories[conditions.device].take(half)
        assert first is not second
        return SAID


def network(gpu: int, cpu: int = 1000) -> Network:
    return Network({"cuda": Memory(gpu), "cpu": Memory(cpu)})


def shares(model: Network) -> list[tuple[str, float]]:
    return [(conditions.device, conditions.window_share) for conditions in model.tried]


def test_with_memory_enough_the_first_rung_is_the_only_one() -> None:
    model = network(gpu=90)
    assert read_with_less(model, VOLUME, rungs(ON_GPU)) == (SAID, ON_GPU)
    assert model.tried == [ON_GPU]


@pytest.mark.parametrize(
    ("gpu", "cpu", "tried"),
    [
        (89, 1000, [("cuda", 1.0), ("cuda", 0.5)]),
        (49, 1000, [("cuda", 1.0), ("cuda", 0.5), ("cuda", 0.25)]),
        (29, 1000, [("cuda", 1.0), ("cuda", 0.5), ("cuda", 0.25), ("cpu", 1.0)]),
        (0, 50, [("cuda", 1.0), ("cuda", 0.5), ("cuda", 0.25), ("cpu", 1.0), ("cpu", 0.5)]),
    ],
    ids=["half a window", "a quarter", "the CPU", "half a window on the CPU"],
)
def test_less_memory_is_a_smaller_window_and_then_the_cpu(gpu: int, cpu: int, tried: list[tuple[str, float]]) -> None:
    model = network(gpu, cpu)
    opinion, conditions = read_with_less(model, VOLUME, rungs(ON_GPU))
    assert opinion == SAID
    assert shares(model) == tried
    assert (conditions.device, conditions.window_share) == tried[-1]
    assert conditions.precision == ("bfloat16" if conditions.device == "cuda" else "float32")


def test_each_rung_begins_with_what_the_one_before_took_given_back() -> None:
    model = network(gpu=0, cpu=15)
    with pytest.raises(NoRungLeftError):
        read_with_less(model, VOLUME, rungs(ON_GPU))
    weights_at_most = {"cuda": 10, "cpu": 10}
    assert all(used[name] <= weights_at_most[name] for used in model.in_use for name in used)
    assert len(model.tried) == 6
    assert model.memories["cuda"].used == 0


def test_another_error_ends_the_climb() -> None:
    model = network(gpu=1000)
    model.error = ValueError("odd")
    with pytest.raises(ValueError, match="odd"):
        read_with_less(model, VOLUME, rungs(ON_GPU))
    assert model.tried == [ON_GPU]


def test_a_model_that_cannot_do_with_less_is_asked_once_and_computes_on_the_cpu() -> None:
    asked = []

    class Plain:
        model_id, version, weights_digest, operating_point = "plain", "1", "0", 0.5
        scope = SeriesCriteria(region="chest")

        def read(self, volume: Volume) -> Opinion:
            asked.append(volume)
            if len(asked) > 1:
                raise MemoryError
            return SAID

    assert read_with_less(Plain(), VOLUME, rungs(ON_GPU)) == (SAID, Conditions())
    with pytest.raises(NoRungLeftError):
        read_with_less(Plain(), VOLUME, rungs(ON_GPU))
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("shape '[3]' is invalid for input of size 4"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_says_that_memory_ran_out(error: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(error) is is_memory


@pytest.mark.parametrize(
    ("text", "is_lost"),
    [
        ("CUDA error: an illegal memory access was encountered", True),
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`", True),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", True),
        ("CUDA error: out of memory", False),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", False),
        ("The size of tensor a (3) must match the size of tensor b (4)", False),
    ],
)
def test_a_lost_gpu_is_told_from_a_full_one(text: str, is_lost: bool) -> None:
    assert is_device_lost(RuntimeError(text)) is is_lost
