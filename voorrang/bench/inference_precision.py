"""What the worker's probe chose, beside float32 as the network comes: MONAI's nodule detector, random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.networks.nets.resnet import resnet50
from torch import nn

from inference.bundles.computing import Computing, as_float32
from inference.bundles.pyramid import resnet_pyramid
from inference.running.conditions import Conditions, Device
from inference.running.devices import choose_device
from inference.running.precision import fastest_precision
from voorrang.bench.measured import Measured
from voorrang.bench.report import Say

Shape = tuple[int, int, int]
Choose = Callable[[Device, Path], Conditions]

WINDOW: Shape = (64, 64, 32)
WINDOW_ON_GPU: Shape = (256, 256, 96)
ROUNDS = 5
TOLERANCE = 0.05  # of the largest output; bfloat16 keeps 8 bits, and the detector is 50 layers deep
_SEED = 5
_EAGER, _CHOSEN = "float32 eager", "chosen"
_NOTE = (
    "network of MONAI's lung_nodule_ct_detection (RetinaNet on a ResNet-50, 20.9 million random weights), one window "
    "of {window} voxels on the {device}, float32 as torch runs it unasked over what the worker's probe chose, here: "
    "{chosen}; medians of {rounds} rounds in turn; outputs of the network (classes and boxes of every anchor) differ "
    "by at most {tolerance:g} of the largest, or the figure is 0; where the probe chose float32 with channels first "
    "the two are one computation, and the figure is 1 whatever the clock says"
)


def measure_precision(
    scratch: Path, say: Say, window: Shape | None = None, rounds: int = ROUNDS, choose: Choose = fastest_precision
) -> Measured:
    """
    Measure.

    Parameters
    ----------
    scratch
        Where what was probed is remembered: nowhere else, so that it is probed anew.
    say
        Told of progress.
    window
        Voxels along x, y, z; None: what the device can do in seconds.
    rounds
        How often.
    choose
        The worker's probe.

    Returns
    -------
    Measured
        Ratio of medians: time of float32 eager over ours.
    """
    device = choose_device("auto")
    say("the probe, as at the start of a worker")
    chosen = choose(device, scratch)
    words = f"{chosen.precision}, channels {'last' if chosen.channels_last else 'first'}"
    say(f"chosen: {words}")
    window = window or (WINDOW_ON_GPU if device == "cuda" else WINDOW)
    methods, difference = _methods(window, chosen)
    times: dict[str, list[float]] = {name: [] for name in methods}
    rows: list[dict[str, Any]] = []
    for number in range(1, rounds + 1):
        for name, run in methods.items():
            seconds = _seconds(run, device)
            say(f"round {number} {name:<14} {1000 * seconds:9.1f} ms")
            times[name].append(seconds)
            what = {"chosen": words, "window": "x".join(map(str, window)), "seconds": round(seconds, 4)}
            rows.append({"detector": name, "round": number, **what})
    ratio = median(times[_EAGER]) / median(times[_CHOSEN])
    if chosen == replace(Conditions(device), channels_last=False):
        ratio = 1.0
    figures = {
        "chosen_precision_to_fp32": round(ratio, 2) if difference <= TOLERANCE else 0.0,
        "chosen_precision_difference": round(difference, 6),
    }
    size = "x".join(map(str, window))
    note = _NOTE.format(window=size, device=device, chosen=words, rounds=rounds, tolerance=TOLERANCE)
    return Measured(figures, rows, notes={"precision": note})


def random_detector() -> RetinaNet:
    """Return the network of the published bundle, for the CPU, with weights that are random and always the same."""
    torch.manual_seed(_SEED)
    backbone = resnet50(spatial_dims=3, n_input_channels=1, conv1_t_stride=[2, 2, 1], conv1_t_size=[7, 7, 7])
    pyramid = resnet_pyramid(backbone, 3, returned_layers=[1, 2])
    return RetinaNet(3, num_classes=1, num_anchors=3, feature_extractor=pyramid, size_divisible=[16, 16, 8]).eval()


def _methods(window: Shape, chosen: Conditions) -> tuple[dict[str, Callable[[], Any]], float]:
    """Return both ways to compute one window, warmed up, and the largest difference over the largest output."""
    eager = random_detector()
    computing = Computing({"network": deepcopy(eager)})  # as a bundle in the worker's child has it
    computing.run_under(chosen)
    eager.to(chosen.device)
    given = torch.rand(1, 1, *window, device=chosen.device)
    methods: dict[str, Callable[[], Any]] = {
        _EAGER: lambda: _plain(eager, given),
        _CHOSEN: lambda: _as_chosen(computing, given),
    }
    exact, ours = (list(_tensors(as_float32(run()))) for run in methods.values())
    return methods, max(_difference(a, b) for a, b in zip(exact, ours, strict=True))


def _plain(network: nn.Module, given: torch.Tensor) -> Any:
    with torch.inference_mode():
        return network(given)


def _as_chosen(computing: Computing, given: torch.Tensor) -> Any:
    with computing.active():
        return computing.networks["network"](given)


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
        return
    for each in output.values() if isinstance(output, dict) else output:
        yield from _tensors(each)


def _difference(exact: torch.Tensor, ours: torch.Tensor) -> float:
    return float((exact - ours).abs().max() / exact.abs().max())


def _seconds(run: Callable[[], Any], device: Device) -> float:
    began = perf_counter()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return perf_counter() - began
