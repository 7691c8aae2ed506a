from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset, Sequence, dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from inference import pixels
from inference.pixels import UnreadablePixelsError
from tests.unit.inference.instances import as_file, make_instance

SHAPE = (24, 20)


def stored(dtype: str, low: int, high: int, seed: int = 1) -> npt.NDArray[np.integer]:
    return np.random.default_rng(seed).integers(low, high, SHAPE).astype(dtype)


def read_hu(data: bytes) -> npt.NDArray[np.float32]:
    hu = np.full(SHAPE, np.nan, np.float32)
    pixels.read_hu(data, hu)
    return hu


def by_pydicom(data: bytes) -> npt.NDArray[np.float32]:
    ds = dcmread(BytesIO(data))
    slope, intercept = np.float32(ds.get("RescaleSlope", 1)), np.float32(ds.get("RescaleIntercept", 0))
    values: npt.NDArray[np.float32] = ds.pixel_array.astype(np.float32) * slope + intercept
    return values


def nested() -> Sequence:
    inner = Dataset()
    inner.CodeValue, inner.Rows = "1", 7
    outer = Dataset()
    outer.PurposeOfReferenceCodeSequence = Sequence([inner])
    outer.Columns = 9
    sequence = Sequence([outer, Dataset()])
    sequence.is_undefined_length = True
    outer.is_undefined_length_sequence_item = True
    outer["PurposeOfReferenceCodeSequence"].value.is_undefined_length = True
    return sequence


@pytest.fixture
def no_pydicom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pydicom may not be asked: the direct reading must do."""

    def refuse(data: bytes) -> None:
        raise AssertionError("left to pydicom")

    monkeypatch.setattr(pixels, "decode_pixels", refuse)


@pytest.mark.usefixtures("no_pydicom")
def test_padding_of_signed_pixels_is_read_directly_though_its_vr_is_ss() -> None:
    values = stored("i2", -900, 3000)
    values[0, 0] = -2000
    for _ in range(3):  # walked, walked and remembered, remembered
        hu = read_hu(as_file(make_instance(values, intercept=0.0, extra={"PixelPaddingValue": -2000})))
        assert hu[0, :2].tolist() == [-1024, values[0, 1]]


@pytest.mark.usefixtures("no_pydicom")
def test_the_layout_of_one_instance_says_nothing_of_the_values_of_the_next() -> None:
    for intercept in (-1024.0, -1000.0, -2000.0, -3024.0):
        values = stored("u2", 0, 4096, seed=int(-intercept))
        hu = read_hu(as_file(make_instance(values, intercept=intercept)))
        assert np.array_equal(hu, values.astype(np.float32) + np.float32(intercept))


def test_a_larger_buffer_than_the_file_is_read_as_the_file() -> None:
    data = as_file(make_instance(stored("u2", 0, 4096)))
    hu = np.empty(SHAPE, np.float32)
    pixels.read_hu(memoryview(bytearray(data + bytes(1000)))[: len(data)], hu)
    assert np.array_equal(hu, read_hu(data))


@pytest.mark.parametrize(
    ("syntax", "plugin"), [(RLELossless, "pylibjpeg"), (JPEGLSLossless, "pyjpegls"), (JPEG2000Lossless, "pylibjpeg")]
)
def test_compressed_pixels_are_decoded_by_the_fastest_decoder_with_the_same_values(
    syntax: UID, plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.tile(stored("u2", 0, 4096), (3, 4))  # OpenJPEG wants some
    ds = make_instance(values, bits_stored=12)
    ds.compress(syntax)
    asked = []
    options = Dataset.pixel_array_options

    def noting(ds: Dataset, **chosen: Any) -> None:
        asked.append(chosen)
        options(ds, **chosen)

    monkeypatch.setattr(Dataset, "pixel_array_options", noting)
    hu = np.empty(values.shape, np.float32)
    pixels.read_hu(as_file(ds), hu)
    assert np.array_equal(hu, values - np.float32(1024))
    assert asked == [{"decoding_plugin": plugin}]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("values", "options"),
    [
        (stored("u2", 0, 4096), {"bits_stored": 12}),
        (stored("u2", 0, 65536), {"bits_stored": 16}),
        (stored("i2", -32768, 32767), {"bits_stored": 16, "intercept": 0.0}),
        (stored("i2", -2048, 2047), {"bits_stored": 12, "slope": 0.5, "intercept": 3.25}),
        (stored("u2", 0, 4096), {"slope": None, "intercept": None}),
        (stored("u2", 0, 4096), {"extra": {"RequestAttributesSequence": nested()}}),
        (stored("u2", 0, 65536), {"bits_stored": 12}),  # rubbish in the unused bits
    ],
)
@pytest.mark.usefixtures("no_pydicom")
def test_direct_reading_gives_what_pydicom_gives(
    values: npt.NDArray[np.integer], options: dict[str, Any], syntax: str
) -> None:
    data = as_file(make_instance(values, transfer_syntax=syntax, **options))
    hu = read_hu(data)
    assert hu.dtype == np.float32
    assert np.abs(hu - by_pydicom(data)).max() == 0


def test_rle_is_left_to_pydicom_with_the_same_values() -> None:
    ds = make_instance(stored("i2", -1000, 3000), intercept=0.0)
    plain = read_hu(as_file(ds))
    ds.compress(RLELossless)
    assert np.array_equal(read_hu(as_file(ds)), plain)


def test_deflated_data_set_gives_the_same_values() -> None:
    values = stored("u2", 0, 4096)
    plain = read_hu(as_file(make_instance(values)))
    deflated = as_file(make_instance(values, transfer_syntax=DeflatedExplicitVRLittleEndian))
    assert np.array_equal(read_hu(deflated), plain)


def test_big_endian_gives_the_same_values() -> None:
    values = stored("i2", -1000, 3000)
    plain = read_hu(as_file(make_instance(values)))
    ds = make_instance(values.astype(">i2"), transfer_syntax=ExplicitVRBigEndian)
    ds.PixelRepresentation = 1
    assert np.array_equal(read_hu(as_file(ds)), plain)


def test_padding_becomes_minus_1024_and_nothing_else_is_clipped() -> None:
    values = stored("i2", -900, 3000)
    values[0, 0], values[0, 1], values[0, 2] = -2000, -1999, 32000
    hu = read_hu(as_file(make_instance(values, intercept=0.0, extra={"PixelPaddingValue": -2000})))
    assert hu[0, :3].tolist() == [-1024, -1999, 32000]


def test_a_padding_range_is_padding_from_end_to_end() -> None:
    values = stored("i2", -900, 3000)
    values[0, :3] = [-2000, -1990, -1900]
    extra = {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1950}
    hu = read_hu(as_file(make_instance(values, intercept=0.0, extra=extra)))
    assert hu[0, :3].tolist() == [-1024, -1024, -1900]


@pytest.mark.parametrize("kept", [100, 132, 400, 0.5, 0.99])
def test_a_truncated_file_is_unreadable(kept: float) -> None:
    data = as_file(make_instance(stored("u2", 0, 4096)))
    with pytest.raises(UnreadablePixelsError):
        read_hu(data[: int(kept if kept > 1 else kept * len(data))])


def test_rubbish_is_unreadable() -> None:
    with pytest.raises(UnreadablePixelsError):
        read_hu(b"not DICOM at all" * 50)


def test_colour_is_unreadable() -> None:
    ds = make_instance(stored("u2", 0, 255))
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = bytes(SHAPE[0] * SHAPE[1] * 3)
    with pytest.raises(UnreadablePixelsError, match="single frame"):
        read_hu(as_file(ds))


def test_another_size_than_expected_is_unreadable() -> None:
    with pytest.raises(UnreadablePixelsError, match=r"\(24, 20\).*\(24, 24\)"):
        pixels.read_hu(as_file(make_instance(stored("u2", 0, 9))), np.empty((24, 24), np.float32))
