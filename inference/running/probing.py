"""
What a probe of a precision does, in a process of its own: an instruction that this processor lacks ends only that.

Prints one JSON object: `speedup`, time of float32 with channels first over time of the precision with channels last,
and `error`, the largest difference between the two over the largest float32 output. The network is what nearly all work
of the nodule detector is: 3D convolutions of 256 channels (84 % of the FLOP of MONAI's RetinaNet).
"""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from time import perf_counter

import torch

RUNS = 5
SMALL, LARGE = (8, 4, 4), (16, 16, 8)  # voxels
HOPELESS = 0.3  # speedup on the small volume below which the large one is not tried: it was 0.002, and took a minute


def probe(device: str, precision: str) -> dict[str, float]:
    """
    Compare a precision with float32 on one device, in turns.

    Parameters
    ----------
    device
        `cpu` or `cuda`.
    precision
        `float32`, of which only the layout is tried then, `bfloat16` or `float16`.

    Returns
    -------
    dict
        `speedup` and `error`.
    """
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv3d(64, 256, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv3d(256, 256, 3, padding=1)
    ).eval()
    plain = network.to(device)
    network = deepcopy(plain).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    small = _compare(plain, network, SMALL, precision, runs=1)
    return small if small["speedup"] < HOPELESS else _compare(plain, network, LARGE, precision, RUNS)


def _compare(
    plain: torch.nn.Module, tried: torch.nn.Module, voxels: tuple[int, int, int], precision: str, runs: int
) -> dict[str, float]:
    device = next(plain.parameters()).device.type
    given = torch.randn(1, 64, *voxels, device=device)
    given_last = given.to(memory_format=torch.channels_last_3d)
    half = None if precision == "float32" else getattr(torch, precision)

    def run(*, is_tried: bool) -> tuple[float, torch.Tensor]:
        """Return the time, s, and the output of one forward pass."""
        began = perf_counter()
        with torch.inference_mode(), torch.autocast(device, half, enabled=is_tried and half is not None):
            out: torch.Tensor = tried(given_last) if is_tried else plain(given)
        if device == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - began, out

    (_, exact), (_, rounded) = run(is_tried=False), run(is_tried=True)  # warms up too
    pairs = [(run(is_tried=False)[0], run(is_tried=True)[0]) for _ in range(runs)]
    slow, fast = (min(times) for times in zip(*pairs, strict=True))
    return {"speedup": slow / fast, "error": float((rounded.float() - exact).abs().max() / exact.abs().max())}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(probe(sys.argv[1], sys.argv[2])) + "\n")
