"""The rules of the asymmetry score on made brains whose halves are known, and what a flag for a bleed does to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from inference.builtin.asymmetry.aligning import frame_of, head_frame
from inference.builtin.asymmetry.comparing import USUAL_HU, Difference
from inference.builtin.asymmetry.model import EVEN_MULTIPLE, Asymmetry, compared, finding_type, score_of
from inference.builtin.asymmetry.regions import LEVELS, PARTS, Region, Side, regions_of
from inference.model import Experimental, Opinion
from inference.reference.brain import Brain, find_brain
from inference.scope import OutOfScopeError, ScopeCode
from inference.training.asymmetry.inserting import Dark, darkened
from inference.training.ich.phantoms import volume_of
from inference.volume import Volume
from voorrang.demo.phantoms.chest import make_chest
from voorrang.demo.phantoms.head import make_head
from voorrang.statement import RESEARCH, Shows

LEFT_MIDDLE = Region(Side.LEFT, "middle", "upper")
PLACE = (34.0, 0.0, 34.0)


@dataclass
class Saying:
    """A model for bleeds that says what it is told to."""

    score: float
    model_id: str = "ich"
    version: str = "1"
    weights_digest: str = "0" * 64
    operating_point: float = 0.5
    scope = Asymmetry.scope

    def read(self, volume: Volume) -> Opinion:
        return Opinion(self.score, ())


@cache
def make_brain(yaw_degrees: float = 0.0, roll_degrees: float = 0.0) -> Brain:
    """Return a phantom whose halves are each other's mirror image, noise and texture as well, however it lies."""
    volume = volume_of(make_head(3, yaw_degrees=0.0, roll_degrees=0.0))
    even = (volume.voxels_hu + volume.voxels_hu[:, :, ::-1]) / 2
    frame = frame_of(np.zeros(3), np.array([1.0, 0.0, 0.0])).moved(yaw_degrees, roll_degrees, 0.0)
    vectors = [
        np.array(step) @ frame.axes for step in (volume.slice_step_mm, volume.row_step_mm, volume.column_step_mm)
    ]
    slice_step, row_step, column_step = (tuple(float(v) for v in each) for each in vectors)
    origin = tuple(float(v) for v in np.array(volume.origin_mm) @ frame.axes)
    return find_brain(Volume(even, origin, slice_step, row_step, column_step))  # type: ignore[arg-type]


def with_dark(brain: Brain, drop_hu: float, diameter_mm: float = 40.0) -> Brain:
    frame = head_frame(brain)
    x, y, z = (float(v) for v in frame.to_patient(np.array([PLACE]) - [[0.0, 0.0, 25.0]])[0])
    return darkened(brain, frame, Dark((x, y, z), LEFT_MIDDLE, diameter_mm, drop_hu))


def mirrored(brain: Brain) -> Brain:
    return replace(
        brain,
        volume=replace(brain.volume, voxels_hu=np.ascontiguousarray(brain.volume.voxels_hu[:, :, ::-1])),
        mask=np.ascontiguousarray(brain.mask[:, :, ::-1]),
        bone_distance_mm=np.ascontiguousarray(brain.bone_distance_mm[:, :, ::-1]),
    )


def top_score(brain: Brain) -> float:
    return score_of(compared(brain)[0])


def test_even_halves_score_next_to_nothing() -> None:
    assert top_score(make_brain()) < 0.001


def test_the_darker_half_is_named_with_its_region_and_place() -> None:
    dark = with_dark(make_brain(), 8.0)
    top = compared(dark)[0]
    assert top.region.side == Side.LEFT
    assert top.region.part == "middle"
    assert finding_type(top.region).startswith("asymmetry_left_middle_")
    assert score_of(top) > 0.5
    assert np.hypot(top.position_mm[0] - PLACE[0], top.position_mm[1] - PLACE[1]) < 20


def test_a_mirrored_head_has_the_mirrored_side_and_the_same_score() -> None:
    dark = with_dark(make_brain(), 8.0)
    one, other = compared(dark)[0], compared(mirrored(dark))[0]
    assert (one.region.side, other.region.side) == (Side.LEFT, Side.RIGHT)
    assert (one.region.part, one.region.level) == (other.region.part, other.region.level)
    assert score_of(other) == pytest.approx(score_of(one), abs=1e-3)


def test_the_score_rises_with_the_drop() -> None:
    scores = [top_score(with_dark(make_brain(), drop)) for drop in (0.0, 2.0, 4.0, 6.0, 10.0)]
    assert scores == sorted(scores)
    assert scores[-1] > scores[0] + 0.5


@pytest.mark.parametrize(("yaw_degrees", "roll_degrees"), [(12.0, 0.0), (-8.0, 5.0)])
def test_a_turned_head_is_compared_like_a_straight_one(yaw_degrees: float, roll_degrees: float) -> None:
    turned = make_brain(yaw_degrees, roll_degrees)
    assert top_score(turned) < 0.02
    assert top_score(with_dark(turned, 8.0)) == pytest.approx(top_score(with_dark(make_brain(), 8.0)), abs=0.1)
    assert compared(with_dark(turned, 8.0))[0].region.side == Side.LEFT


def test_the_frame_of_a_turned_head_is_found_to_half_a_degree() -> None:
    left = head_frame(make_brain(12.0)).axes[0]
    wanted = frame_of(np.zeros(3), np.array([1.0, 0.0, 0.0])).moved(12.0, 0.0, 0.0)
    assert np.degrees(np.arccos(abs(left @ (np.array([1.0, 0.0, 0.0]) @ wanted.axes)))) < 0.5


def test_every_region_has_a_usual_difference_and_a_name_of_its_own() -> None:
    assert set(USUAL_HU) == {(part, level) for part in PARTS for level in LEVELS}
    names = {finding_type(Region(side, part, level)) for side in Side for part, level in USUAL_HU}
    assert len(names) == 12
    assert not [name for name in names if "aspects" in name or name != name.lower()]


def test_regions_follow_the_brain_and_leave_out_its_lowest_part() -> None:
    brain = make_brain()
    regions = regions_of(brain, head_frame(brain))
    assert list(regions.back_mm) == sorted(regions.back_mm)
    assert regions.holds(np.array([PLACE])).all()
    assert not regions.holds(np.array([[30.0, 0.0, regions.up_mm[0] - 1]])).any()


@pytest.mark.parametrize(("multiple", "score"), [(0.0, 0.0), (EVEN_MULTIPLE, 0.5)])
def test_the_map_to_a_score_starts_at_nothing_and_is_even_where_it_says(multiple: float, score: float) -> None:
    assert score_of(Difference(LEFT_MIDDLE, 1.0, multiple, PLACE)) == pytest.approx(score)


def test_a_flag_for_a_bleed_suppresses_it() -> None:
    volume = make_brain().volume
    with pytest.raises(OutOfScopeError, match=r"ich flags a possible bleed in these images \(0\.50") as refused:
        Asymmetry([Saying(0.1), Saying(0.5)]).read(volume)
    assert [reason.code for reason in refused.value.reasons] == [ScopeCode.BLEED_FLAGGED]


def test_no_flag_for_a_bleed_lets_it_speak() -> None:
    opinion = Asymmetry([Saying(0.49)]).read(with_dark(make_brain(), 8.0).volume)
    (finding,) = opinion.findings
    assert finding.type.startswith("asymmetry_left_middle_")
    assert finding.score == opinion.score > 0.5


def test_little_difference_marks_nothing() -> None:
    assert Asymmetry([]).read(make_brain().volume).findings == ()


def test_a_chest_is_no_head() -> None:
    with pytest.raises(OutOfScopeError) as refused:
        Asymmetry([]).read(volume_of(make_chest(1)))
    assert [reason.code for reason in refused.value.reasons] == [ScopeCode.ANATOMY]


def test_it_says_that_it_is_an_experiment() -> None:
    model = Asymmetry([])
    assert isinstance(model, Experimental)
    assert model.shows is Shows.FLAG
    assert model.statement.startswith(RESEARCH)
    assert "xperimental" in model.statement
    assert "experimental" in model.version
