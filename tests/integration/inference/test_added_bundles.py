"""`voorrang model add`, `show`, `run` on bundles: from a folder, over a vendor's own, from an address."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.models import MODEL_NAMES, UnknownModelError, load_model
from inference.running.messages import Start
from inference.running.process import ChildReader
from tests.unit.inference.bundles.published import make_published_bundle
from tests.unit.inference.bundles.small import make_bundle, make_inference, make_metadata, make_values
from tests.unit.inference.instances import as_file, make_instance
from voorrang.__main__ import main
from voorrang.errors import ConfigurationError

pytestmark = pytest.mark.integration

Told = pytest.CaptureFixture[str]


@pytest.fixture
def data_dir(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with an empty register."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copyfile(migrated_sqlite, folder / "voorrang.sqlite")
    monkeypatch.setenv("VOORRANG_DATA_DIR", str(folder))
    return folder


def told(capsys: Told, *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["model", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def shown(capsys: Told, name: str) -> dict[str, Any]:
    code, out, err = told(capsys, "show", name)
    assert code == 0, err
    values: dict[str, Any] = json.loads(out)
    return values


def write_series(folder: Path) -> Path:
    """Write a chest CT of 8 slices with a dense spot at slice 4, row 6, column 9."""
    folder.mkdir()
    for k in range(8):
        pixels = np.full((16, 20), 200, np.int16)
        pixels[6, 9] = 1100 if k == 4 else 200
        ds = make_instance(pixels, number=k + 1, position_mm=(-3.0, 5.0, 3.0 * k))
        (folder / f"{k}.dcm").write_bytes(as_file(ds))
    return folder


WHO = ("--actor", "j.jansen", "--role", "physicist", "--reason", "pilot")


def name_on_the_pathway(model: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pathway for lung nodules name a model; it flags from 0.26."""
    text = (resources.files("voorrang.pathways") / "builtin" / "lung-nodule.yaml").read_text(encoding="utf-8")
    folder.mkdir()
    (folder / "a.yaml").write_text(text.replace("reference-lung", model))
    monkeypatch.setenv("VOORRANG_PATHWAYS_DIR", str(folder))


def marking_from(threshold: float) -> dict[str, Any]:
    """Return the contract of the small bundle, with the score from which it marks voxels."""
    contract = make_values()
    contract["reading"]["segmenter"]["threshold"] = threshold
    return contract


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on a port of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def zipped(bundle: Path, path: Path, root: str = "a_bundle/") -> str:
    """Zip a bundle as the model zoo does; return the digest of the file."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(bundle.rglob("*")):
            if file.is_file():
                archive.write(file, root + str(file.relative_to(bundle)))
        archive.writestr(root + "configs/../../../escaped.json", "{}")
        archive.writestr(root + "scripts/__init__.py", "raise SystemExit")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_bundle_is_checked_copied_and_registered_without_influence(
    data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    folder = make_bundle(tmp_path / "denser")
    (folder / "models" / "unused.pt").write_bytes(b"x")
    code, out, _ = told(capsys, "add", str(folder))
    assert code == 0
    assert out.startswith("denser 1.0 registered; influence none; shows flag\nweights digest ")
    digest = hashlib.sha256((folder / "models" / "marker.ts").read_bytes()).hexdigest()
    assert f"  {digest}  models/marker.ts\n" in out
    values = shown(capsys, "denser")
    assert [version["version"] for version in values["versions"]] == ["1.0"]
    assert values["decisions"] == []
    assert values["runs"]["intended_use"] == "tests"
    assert values["runs"]["weights_digest"] == values["versions"][0]["weights_digest"]
    assert told(capsys, "list")[1] == "denser 1.0  influence none\n"
    copied = data_dir / "bundles" / "denser" / values["runs"]["weights_digest"]
    assert sorted(str(path.relative_to(copied)) for path in copied.rglob("*.*")) == [
        "configs/inference.json",
        "configs/metadata.json",
        "configs/voorrang.json",
        "models/marker.ts",
    ]


def test_added_bundle_reads_a_folder_as_the_reference_models_do(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    told(capsys, "add", str(make_bundle(tmp_path / "denser")))
    code, out, _ = told(capsys, "run", "denser", str(write_series(tmp_path / "series")), "--json")
    assert code == 0
    line = json.loads(out)
    assert set(line) == {"series_instance_uid", "state", "score", "findings", "reason"}
    assert (line["state"], line["score"], line["reason"]) == ("scored", 1.0, None)
    (finding,) = line["findings"]
    assert set(finding) >= {"type", "score", "position_mm", "diameter_mm"}
    assert finding["type"] == "dense_spot"
    assert finding["position_mm"] == pytest.approx([-3 + 9 * 0.6, 5 + 6 * 0.8, 12.0], abs=1e-4)


def test_what_a_bundle_prints_is_not_among_the_results(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    talking = make_inference({"_target_": "DataStatsd", "keys": "image", "prefix": "LOOK"})
    bundle = make_bundle(tmp_path / "denser", inference=talking)
    code, out, _ = told(capsys, "add", str(bundle))
    assert (code, out.splitlines()[0]) == (0, "denser 1.0 registered; influence none; shows flag")
    code, out, err = told(capsys, "run", "denser", str(write_series(tmp_path / "study")), "--json")
    assert code == 0
    assert [json.loads(line)["state"] for line in out.splitlines()] == ["scored"]
    assert "LOOK" in err


def test_published_bundle_is_added_as_it_is(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    code, out, err = told(capsys, "add", str(make_published_bundle(tmp_path / "lung_nodule_ct_detection")))
    assert code == 0, err
    assert out.startswith("lung_nodule_ct_detection 0.6.8 registered; influence none\n")
    model = load_model("lung_nodule_ct_detection", data_dir / "bundles")
    assert model.scope.region == "chest"
    assert model.version == "0.6.8"


def test_configuration_of_ours_makes_a_model_of_a_vendors_folder(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    vendor = make_bundle(tmp_path / "vendor")
    ours = tmp_path / "ours"
    shutil.move(vendor / "configs", ours)
    (vendor / "configs").mkdir()
    (vendor / "configs" / "metadata.json").write_text('{"name": "not MONAI\'s"}')
    assert told(capsys, "add", str(vendor))[0] == 1
    code, out, err = told(capsys, "add", str(vendor), "--configs", str(ours))
    assert code == 0, err
    assert out.startswith("denser 1.0 registered")
    assert not (vendor / "configs" / "voorrang.json").exists()


@pytest.mark.parametrize("ours", ["ours", "gone"])
def test_folder_without_configuration_of_ours_is_not_taken_for_one(
    ours: str, data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    """Otherwise the bundle's own operating points and scope were in force, and whoever wrote others was not told."""
    (tmp_path / "ours" / "configs").mkdir(parents=True)
    (tmp_path / "ours" / "configs" / "voorrang.json").write_text("{}")
    bundle = make_bundle(tmp_path / "denser")
    code, _, err = told(capsys, "add", str(bundle), "--configs", str(tmp_path / ours))
    assert (code, list((data_dir / "bundles").glob("*"))) == (1, [])
    assert err == (
        f"voorrang: {tmp_path / ours}: none of metadata.json, inference.json and voorrang.json is in it; "
        "give --configs the folder that holds yours\n"
    )


@pytest.mark.parametrize("option", [("--sha256", "0" * 64), ("--configs", "ours")])
def test_what_is_for_bundles_is_not_ignored_for_a_model_of_the_platform(
    option: tuple[str, str], data_dir: Path, capsys: Told
) -> None:
    code, _, err = told(capsys, "add", "reference-lung", *option)
    assert (code, err) == (1, f"voorrang: reference-lung comes with the platform: {option[0]} is for bundles\n")


def test_folder_that_is_no_bundle_is_named_as_it_was_typed(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    (tmp_path / "empty").mkdir()
    _, _, err = told(capsys, "add", str(tmp_path / "empty"))
    assert err.startswith(f"voorrang: configs/metadata.json: not in {tmp_path / 'empty'}; ")


def test_bundle_from_an_address_is_held_against_its_digest(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    (tmp_path / "web").mkdir()
    digest = zipped(make_bundle(tmp_path / "denser"), tmp_path / "web" / "denser.zip")
    with served(tmp_path / "web") as address:
        code, _, err = told(capsys, "add", f"{address}/denser.zip")
        assert (code, "give the digest that the maker tells, --sha256 HEX" in err) == (1, True)
        code, _, err = told(capsys, "add", f"{address}/denser.zip", "--sha256", "0" * 64)
        assert (code, "nothing of it was opened" in err, digest in err) == (1, True, True)
        code, _, err = told(capsys, "add", f"{address}/gone.zip", "--sha256", digest)
        assert (code, "cannot be fetched: HTTP Error 404" in err) == (1, True)
        assert told(capsys, "list")[1] == ""
        code, out, err = told(capsys, "add", f"{address}/denser.zip", "--sha256", digest.upper())
    assert code == 0, err
    assert out.startswith("denser 1.0 registered")
    assert not list(tmp_path.rglob("escaped.json"))
    assert [path.name for path in (data_dir / "bundles").iterdir()] == ["denser"]


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_address_that_gives_no_bundle_is_refused(content: bytes, data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.zip").write_bytes(content)
    with served(tmp_path / "web") as address:
        code, _, err = told(capsys, "add", f"{address}/a.zip", "--sha256", hashlib.sha256(content).hexdigest())
    assert (code, "no zip file that can be read" in err) == (1, True)


def test_folder_is_held_against_the_weights_digest_that_is_told(data_dir: Path, tmp_path: Path, capsys: Told) -> None:
    folder = make_bundle(tmp_path / "denser")
    code, _, err = told(capsys, "add", str(folder), "--sha256", "0" * 64)
    digest = err.partition("weights digest is ")[2].partition(",")[0]
    assert (code, len(digest)) == (1, 64)
    assert told(capsys, "add", str(folder), "--sha256", digest)[0] == 0


@pytest.mark.parametrize("how", ["no weights", "no folder", "our name", "refused code"])
def test_what_cannot_start_is_neither_kept_nor_registered(
    how: str, data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    name = "reference-head" if how == "our name" else "denser"
    folder = make_bundle(tmp_path / "denser", contract=make_values(model=name))
    if how == "no weights":
        (folder / "models" / "marker.ts").unlink()
    elif how == "no folder":
        folder = tmp_path / "nothing"
    elif how == "refused code":
        (folder / "configs" / "inference.json").write_text('{"preprocessing": "$torch.os.system(1)"}')
    code, out, err = told(capsys, "add", str(folder))
    assert (code, out) == (1, "")
    expected = {
        "no weights": "voorrang: models/marker.ts: no weights for network marker: the model does not start;",
        "no folder": "is no folder and no address, and no model of the platform",
        "our name": "model: reference-head is a model of the platform; give it a name of its own",
        "refused code": "voorrang: configs/inference.json: preprocessing: no Compose",
    }
    assert expected[how] in err
    assert told(capsys, "list")[1] == ""
    assert not [path for path in (data_dir / "bundles").glob("**/*") if path.is_file()]


def test_bundle_that_was_changed_after_it_was_added_does_not_start(
    data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    told(capsys, "add", str(make_bundle(tmp_path / "denser")))
    (copied,) = (data_dir / "bundles" / "denser").glob("*/configs/metadata.json")
    copied.write_text(json.dumps(make_metadata(intended_use="everything")))
    with pytest.raises(ConfigurationError, match="its files were changed since it was added; add the bundle again"):
        load_model("denser", data_dir / "bundles")
    (copied.parents[1] / "models" / "marker.ts").unlink()
    with pytest.raises(ConfigurationError, match="no weights for network marker: the model does not start"):
        load_model("denser", data_dir / "bundles")
    code, _, err = told(capsys, "run", "denser", str(tmp_path), "--json")
    assert (code, "no weights" in err) == (1, True)


def test_version_that_was_added_last_runs_and_adding_the_older_one_again_goes_back(
    data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    older = make_bundle(tmp_path / "1")
    newer = make_bundle(tmp_path / "2", metadata=make_metadata(version="2.0"))
    for folder, expected in ((older, "1.0"), (newer, "2.0"), (older, "1.0")):
        assert told(capsys, "add", str(folder))[0] == 0
        assert load_model("denser", data_dir / "bundles").version == expected
    assert [version["version"] for version in shown(capsys, "denser")["versions"]] == ["1.0", "2.0"]


@pytest.mark.parametrize("name", ["unheard-of", "../denser", "a/b", ""])
def test_name_that_was_not_added_is_refused_with_those_that_were(name: str, data_dir: Path, tmp_path: Path) -> None:
    main(["model", "add", str(make_bundle(tmp_path / "denser"))])
    known = ", ".join(MODEL_NAMES)
    with pytest.raises(UnknownModelError, match=f"expected one of {known}, denser; `voorrang mod"):
        load_model(name, data_dir / "bundles")


def test_added_bundle_is_activated_with_the_digest_of_its_files_and_operating_point_of_the_pathway(
    data_dir: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_on_the_pathway("denser", tmp_path / "pathways", monkeypatch)
    activate = ("activate", "denser", "--pathway", "lung-nodule", "--influence", "display", *WHO)
    assert f"expected one of {', '.join(MODEL_NAMES)}" in told(capsys, *activate)[2]
    told(capsys, "add", str(make_bundle(tmp_path / "denser", contract=marking_from(0.26))))
    assert told(capsys, *activate)[0] == 0
    values = shown(capsys, "denser")
    (decision,) = values["decisions"]
    assert decision["weights_digest"] == values["runs"]["weights_digest"]
    assert (decision["influence"], decision["operating_point"]) == ("display", 0.26)


def test_operating_point_that_the_bundle_cannot_reach_moves_and_shows_nothing(
    data_dir: Path, tmp_path: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_on_the_pathway("denser", tmp_path / "pathways", monkeypatch)
    told(capsys, "add", str(make_bundle(tmp_path / "denser", contract=marking_from(0.3))))
    for influence in ("rank", "display"):
        code, _, err = told(capsys, "activate", "denser", "--pathway", "lung-nodule", "--influence", influence, *WHO)
        assert code != 0
        assert "denser on lung-nodule is to flag from 0.26, and marks nothing below 0.3: raise" in err
    assert shown(capsys, "denser")["decisions"] == []
    assert told(capsys, "activate", "denser", "--pathway", "lung-nodule", "--influence", "none", *WHO)[0] == 0


def test_worker_refuses_to_start_a_model_without_weights_and_says_so(
    data_dir: Path, tmp_path: Path, capsys: Told
) -> None:
    told(capsys, "add", str(make_bundle(tmp_path / "denser")))
    (weights,) = (data_dir / "bundles" / "denser").glob("*/models/marker.ts")
    weights.unlink()
    start = Start(("denser",), data_dir / "bundles", data_dir, data_dir / "archive")
    reader = ChildReader(start, time_limit_seconds=60.0)
    try:
        with pytest.raises(ConfigurationError, match=r"^models/marker.ts: no weights for network marker: "):
            reader.require_ready()
    finally:
        reader.close()
