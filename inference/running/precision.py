"""
In which precision and memory layout a machine computes fastest, probed once and remembered.

bfloat16 was 2.2 times as fast as float32 on one processor, 0.7 times on another, and an illegal instruction on a third;
channels last was 1.2 times as fast in float32 on one, and as fast on another: only trying tells, and only a process of
its own may try.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from inference.running.conditions import Conditions, Device, Precision
from voorrang.logs import get_logger

# All with channels last; what they are compared with is float32 as networks come, with channels first.
CANDIDATES: Mapping[Device, tuple[Precision, ...]] = {
    "cpu": ("float32", "bfloat16"),
    "cuda": ("float32", "bfloat16", "float16"),
}
# Another layout costs nothing but must be more than noise; a speedup below 1.5 is not worth the rounding.
WINS_FROM: Mapping[Precision, float] = {"float32": 1.1, "bfloat16": 1.5, "float16": 1.5}
MAX_ERROR = 0.02  # of the largest output; bfloat16 keeps 8 bits
PROBE_SECONDS = 60.0
PROBED = 2  # another number: what was remembered before says something else
FILE = Path("inference") / "precision.json"
PROGRAM = (sys.executable, "-m", "inference.running.probing")


@dataclass(frozen=True, slots=True)
class Probe:
    """
    What trying one precision showed.

    Parameters
    ----------
    speedup
        Time of float32 with channels first over its own; 0 when it could not be run.
    error
        Largest difference from float32 over the largest float32 output.
    died
        How its process ended when it gave no answer; empty otherwise.
    """

    speedup: float = 0.0
    error: float = 0.0
    died: str = ""

    def wins(self, precision: Precision) -> bool:
        """Tell whether a precision of which it was found is worth computing in."""
        return self.speedup >= WINS_FROM[precision] and self.error <= MAX_ERROR


RunProbe = Callable[[Device, Precision], Probe]


def fastest_precision(device: Device, data_dir: Path, run_probe: RunProbe | None = None) -> Conditions:
    """
    Return how to compute on this machine; probe what was not probed before.

    Parameters
    ----------
    device
        Where.
    data_dir
        Its file `inference/precision.json` remembers, per processor or GPU and version of torch.
    run_probe
        Tries one precision; None: in a child process.

    Returns
    -------
    Conditions
        The fastest precision of those that win, with channels last; when none does, float32 as networks come.
    """
    key, path = machine_key(device), data_dir / FILE
    known = _remembered(path)
    probes = {p: found for p in CANDIDATES[device] if (found := _probe_of(known.get(key, {}).get(p)))}
    fresh = {p: (run_probe or probe_in_child)(device, p) for p in CANDIDATES[device] if p not in probes}
    if fresh:
        values = {p: {"speedup": f.speedup, "error": f.error, "died": f.died} for p, f in fresh.items()}
        _remember(path, known | {key: known.get(key, {}) | values})
    probes |= fresh
    winners = [p for p, found in probes.items() if found.wins(p)]
    best: Precision = max(winners, key=lambda p: probes[p].speedup) if winners else "float32"
    chosen = Conditions(device, best, channels_last=bool(winners))
    speedups = {p: round(found.speedup, 2) for p, found in probes.items()}
    how = {"chosen": best, "channels_last": chosen.channels_last}
    get_logger().info("precision", device=device, **how, speedups=speedups, probed=bool(fresh))
    return chosen


def probe_in_child(device: Device, precision: Precision, seconds: float = PROBE_SECONDS) -> Probe:
    """Try a precision in a process of its own and at most so long; return what came of it."""
    try:
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            [*PROGRAM, device, precision], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Probe(died="time_limit")
    if done.returncode < 0:
        return Probe(died=signal.Signals(-done.returncode).name)
    found = _probe_of(_json(done.stdout))
    return found if done.returncode == 0 and found else Probe(died=f"exit_{done.returncode}")


def machine_key(device: Device) -> str:
    """Return what stands for this processor, or this GPU, with this version of torch."""
    return hashlib.sha256(f"{device}\n{_part(device)}\n{version('torch')}\n{PROBED}".encode()).hexdigest()[:16]


def _part(device: Device) -> str:
    if device == "cuda":
        import torch

        return f"{torch.cuda.get_device_name(0)} {torch.cuda.get_device_capability(0)}"
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        wanted = [line for line in lines if line.startswith(("model name", "flags"))]
        return "\n".join(sorted(set(wanted)))
    return f"{platform.machine()} {platform.processor()}"


def _remembered(path: Path) -> dict[str, dict[str, Any]]:
    try:
        values = _json(path.read_text())
    except OSError:
        return {}
    return {key: value for key, value in values.items() if isinstance(value, dict)} if isinstance(values, dict) else {}


def _remember(path: Path, values: dict[str, dict[str, Any]]) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(values, indent=1) + "\n")
        part.replace(path)  # another worker reads the old one or the new one, never half of it
    except OSError as error:
        get_logger().warning("precision is not remembered", reason=type(error).__name__)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _probe_of(values: Any) -> Probe | None:
    try:
        return Probe(float(values["speedup"]), float(values["error"]), str(values.get("died", "")))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
