"""Device and precision: what is chosen, and that nothing is asked of the machine that does not matter."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from inference.model import Opinion
from inference.running import precision
from inference.running.choosing import choose_conditions
from inference.running.conditions import Conditions, Device, Precision
from inference.running.devices import WantedDevice, choose_device
from inference.running.precision import FILE, Probe, fastest_precision, probe_in_child
from inference.volume import Volume
from voorrang.errors import ConfigurationError
from voorrang.pathways.criteria import SeriesCriteria


class Plain:
    """A model that computes as it is."""

    model_id, version, weights_digest, operating_point = "plain", "1", "0", 0.5
    scope = SeriesCriteria(region="chest")

    def read(self, volume: Volume) -> Opinion:
        """Say nothing."""
        return Opinion(0.0, ())


class Network(Plain):
    """A model that adapts."""

    def run_under(self, conditions: Conditions) -> None:
        """Do as told."""


def never() -> bool:
    raise AssertionError("the GPU was asked for")


@pytest.mark.parametrize(
    ("wanted", "sees_gpu", "chosen"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cuda", True, "cuda"), ("cpu", None, "cpu")],
)
def test_auto_is_a_gpu_where_there_is_one(wanted: WantedDevice, sees_gpu: bool | None, chosen: Device) -> None:
    assert choose_device(wanted, never if sees_gpu is None else lambda: bool(sees_gpu)) == chosen


def test_a_gpu_that_is_wanted_and_not_there_stops_the_worker() -> None:
    with pytest.raises(ConfigurationError, match="VOORRANG_INFERENCE_DEVICE=auto"):
        choose_device("cuda", lambda: False)
    with pytest.raises(ConfigurationError):
        choose_conditions("cuda", [Plain()], Path(), lambda: False)


def test_models_that_compute_as_they_are_need_neither_torch_nor_a_probe() -> None:
    def fastest(_: Device, __: Path) -> Conditions:
        raise AssertionError

    assert choose_conditions("auto", [Plain()], Path(), never, fastest) == Conditions()


def test_one_model_that_adapts_is_enough_to_look(tmp_path: Path) -> None:
    asked: list[tuple[Device, Path]] = []

    def fastest(device: Device, data_dir: Path) -> Conditions:
        asked.append((device, data_dir))
        return Conditions(device, "bfloat16")

    chosen = choose_conditions("auto", [Plain(), Network()], tmp_path, lambda: True, fastest)
    assert chosen == Conditions("cuda", "bfloat16")
    assert asked == [("cuda", tmp_path)]


SAME = Probe(1.0, 0.0)


class Machine:
    """Answers probes from a table; `asked` is what it was asked."""

    def __init__(self, **probes: Probe) -> None:
        self.probes, self.asked = {"float32": SAME} | probes, []

    asked: list[Precision]

    def __call__(self, _: Device, precision: Precision) -> Probe:
        self.asked.append(precision)
        return self.probes[precision]


@pytest.mark.parametrize(
    ("probe", "chosen"),
    [
        (Probe(2.25, 0.004), "bfloat16"),
        (Probe(0.7, 0.004), "float32"),
        (Probe(1.4, 0.004), "float32"),
        (Probe(2.25, 0.2), "float32"),
        (Probe(died="SIGILL"), "float32"),
    ],
    ids=["wins", "slower", "not much faster", "too coarse", "illegal instruction"],
)
def test_half_precision_is_taken_where_it_wins_and_is_exact_enough(
    tmp_path: Path, probe: Probe, chosen: Precision
) -> None:
    machine = Machine(bfloat16=probe)
    expected = Conditions("cpu", chosen, channels_last=chosen == "bfloat16")
    assert fastest_precision("cpu", tmp_path, machine) == expected
    assert fastest_precision("cpu", tmp_path, machine) == expected
    assert machine.asked == ["float32", "bfloat16"]  # once for this machine and this torch


@pytest.mark.parametrize(("speedup", "channels_last"), [(1.2, True), (1.05, False), (0.9, False)])
def test_channels_go_last_in_float32_where_that_is_faster(tmp_path: Path, speedup: float, channels_last: bool) -> None:
    machine = Machine(float32=Probe(speedup, 1e-6), bfloat16=Probe(died="SIGILL"))
    assert fastest_precision("cpu", tmp_path, machine) == Conditions(channels_last=channels_last)


def test_the_fastest_of_several_winners_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(float32=Probe(1.2, 0.0), bfloat16=Probe(1.6, 0.004), float16=Probe(3.0, 0.001))
    monkeypatch.setattr(precision, "machine_key", lambda device: device)
    assert fastest_precision("cuda", tmp_path, machine) == Conditions("cuda", "float16")


def test_another_machine_or_another_torch_is_probed_anew_and_the_first_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(bfloat16=Probe(2.0, 0.004))
    fastest_precision("cpu", tmp_path, machine)
    first = precision.machine_key("cpu")
    monkeypatch.setattr(precision, "version", lambda _: "99.0")
    fastest_precision("cpu", tmp_path, machine)
    assert machine.asked == ["float32", "bfloat16"] * 2
    assert set(json.loads((tmp_path / FILE).read_text())) == {first, precision.machine_key("cpu")}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"k": 1}', "null"])
def test_a_file_that_cannot_be_read_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_text(text)
    machine = Machine(bfloat16=Probe(2.0, 0.004))
    assert [fastest_precision("cpu", tmp_path, machine).precision for _ in range(2)] == ["bfloat16"] * 2
    assert machine.asked == ["float32", "bfloat16"]


def test_a_folder_that_cannot_be_written_only_means_probing_each_time(tmp_path: Path) -> None:
    (tmp_path / FILE.parent).write_text("in the way")
    machine = Machine(bfloat16=Probe(2.0, 0.004))
    assert [fastest_precision("cpu", tmp_path, machine).precision for _ in range(2)] == ["bfloat16"] * 2
    assert len(machine.asked) == 4


@pytest.mark.parametrize(
    ("program", "probe"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", Probe(died="SIGILL")),
        ("raise SystemExit(3)", Probe(died="exit_3")),
        ("print('nothing of use')", Probe(died="exit_0")),
        ("import threading; threading.Event().wait()", Probe(died="time_limit")),
        ("""print('{"speedup": 2.0, "error": 0.01}')""", Probe(2.0, 0.01)),
    ],
    ids=["illegal instruction", "error", "odd answer", "hangs", "answers"],
)
def test_whatever_a_probe_does_to_its_process_is_an_answer(
    monkeypatch: pytest.MonkeyPatch, program: str, probe: Probe
) -> None:
    monkeypatch.setattr(precision, "PROGRAM", (sys.executable, "-S", "-c", program))
    assert probe_in_child("cpu", "bfloat16", seconds=0.3 if probe.died == "time_limit" else 60) == probe


@pytest.mark.parametrize(("tried", "least"), [("bfloat16", 1e-5), ("float32", -1.0)])
def test_the_probe_compares_a_precision_with_float32(monkeypatch: pytest.MonkeyPatch, tried: str, least: float) -> None:
    from inference.running import probing

    monkeypatch.setattr(probing, "SMALL", (1, 1, 1))
    monkeypatch.setattr(probing, "LARGE", (2, 1, 1))
    found = probing.probe("cpu", tried)
    assert found["speedup"] > 0
    # bfloat16 rounds, so it is not float32 that was run twice.
    assert least < found["error"] < (precision.MAX_ERROR if tried == "bfloat16" else 1e-5)
