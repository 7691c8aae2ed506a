"""compose.yaml: the schema, and what a schema cannot see. No engine is started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

OURS = {"ingest", "inference", "worklist", "monitoring"}
ONE_SHOT = {"migrate", "register"}
Services = dict[str, dict[str, Any]]


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_file_passes_the_compose_specification(root: Path, name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, root / "deploy" / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_schema_check_sees_an_unknown_key(root: Path, tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text((root / "deploy/compose.yaml").read_text().replace("restart: unless-stopped", "restarts: x", 1))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    assert subprocess.run([*command, broken], capture_output=True).returncode == 1


def test_override_for_a_gpu_names_services_that_exist(root: Path, services: Services) -> None:
    override = yaml.safe_load((root / "deploy/compose.gpu.yaml").read_text())
    assert set(override["services"]) <= set(services)


def test_every_image_has_a_tag_that_says_a_version(services: Services) -> None:
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert re.match(r"v?\d", tag), f"{name}: {service['image']}"


def test_our_images_are_built_here_and_never_pulled(root: Path, services: Services) -> None:
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    built = set()
    for name in OURS | ONE_SHOT:
        assert services[name]["pull_policy"] == "never", name
        assert services[name]["image"].endswith(f":{version}"), name
    for name in OURS:
        build = services[name]["build"]
        assert (root / "deploy" / build["context"]).resolve() == root
        assert build["dockerfile"] == f"deploy/images/{name}.Dockerfile"
        assert (root / build["dockerfile"]).is_file()
        assert services[name]["image"] == f"voorrang-{name}:{version}"
        built.add(services[name]["image"])
    assert {services[name]["image"] for name in ONE_SHOT} <= built


def test_every_service_has_a_healthcheck_but_those_that_end_by_themselves(services: Services) -> None:
    for name, service in services.items():
        check = service["healthcheck"]
        if name in ONE_SHOT:
            assert check == {"disable": True}
            assert service["restart"] == "no"
        else:
            assert check["test"][0] == "CMD", name
            assert {"interval", "timeout", "start_period", "retries"} <= set(check), name


def test_our_healthchecks_ask_for_readiness_on_the_metrics_port(services: Services) -> None:
    for name in OURS:
        port = services[name]["environment"][f"VOORRANG_{name.upper()}_METRICS_PORT"]
        assert f"http://127.0.0.1:{port}/-/ready" in services[name]["healthcheck"]["test"][-1]


def test_every_dependency_has_a_condition_that_can_come_true(services: Services) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
            assert how == {"condition": wanted}, f"{name} -> {other}"
    for name in OURS:
        assert set(services[name]["depends_on"]) == {"kafka", "postgres", "migrate"}


def test_every_published_port_is_on_loopback(services: Services) -> None:
    published: dict[str, list[int]] = {}
    for name, service in services.items():
        for port in service.get("ports", []):
            host, outer, inner = port.split(":")
            assert host == "127.0.0.1", f"{name}: {port}"
            assert outer == inner
            published.setdefault(name, []).append(int(inner))
    assert published == {"ingest": [11112, 2575], "worklist": [8080], "prometheus": [9090], "alertmanager": [9093]}
    listening = services["ingest"]["environment"]
    assert published["ingest"] == [listening["VOORRANG_DICOM_PORT"], listening["VOORRANG_HL7_PORT"]]


def test_broker_database_and_monitoring_have_no_way_out(compose: dict[str, Any], services: Services) -> None:
    assert compose["networks"]["backend"] == {"internal": True}
    alone = {name for name, service in services.items() if service["networks"] == ["backend"]}
    assert alone == {"kafka", "postgres", "migrate", "register", "monitoring"}


def test_mounted_files_exist_and_named_volumes_are_declared(
    root: Path, compose: dict[str, Any], services: Services
) -> None:
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (root / "deploy" / source).exists(), f"{name}: {source}"
                assert mount.endswith(":ro"), f"{name}: {mount}"
            else:
                assert source in compose["volumes"], f"{name}: {source}"


def test_only_ingest_writes_the_archive_and_only_inference_reads_it(services: Services) -> None:
    mounts = {name: m for name, s in services.items() for m in s.get("volumes", []) if m.startswith("archive:")}
    assert mounts == {
        "ingest": "archive:/var/lib/voorrang/archive",
        "inference": "archive:/var/lib/voorrang/archive:ro",
    }


def test_inference_writes_key_pictures_the_worklist_reads_them_and_retention_removes_them(services: Services) -> None:
    mounts = {name: m for name, s in services.items() for m in s.get("volumes", []) if m.startswith("pictures:")}
    assert mounts == {
        "ingest": "pictures:/var/lib/voorrang/pictures",
        "inference": "pictures:/var/lib/voorrang/pictures",
        "worklist": "pictures:/var/lib/voorrang/pictures:ro",
    }


def test_models_are_registered_only_when_asked_and_where_they_can_be_kept_and_loaded(services: Services) -> None:
    assert services["register"]["profiles"] == ["tools"]
    assert services["register"]["volumes"] == ["data:/var/lib/voorrang"]
    assert services["register"]["image"] == services["inference"]["image"]


def test_site_secret_is_made_by_migrate_and_read_only_where_nothing_is_written(services: Services) -> None:
    assert services["migrate"]["volumes"] == ["data:/var/lib/voorrang"]
    for name in OURS - {"ingest"}:
        assert "data:/var/lib/voorrang:ro" in services[name]["volumes"]


def test_no_password_is_in_an_environment_or_an_address(
    root: Path, compose: dict[str, Any], services: Services
) -> None:
    for name, service in services.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|CREDENTIAL", key):
                assert key.endswith("_FILE"), f"{name}: {key}"
                assert str(value).removeprefix("/run/secrets/") in service["secrets"]
            assert not re.search(r"://[^/@\s]*:[^/@\s]*@", str(value)), f"{name}: {key}"
    ignored = (root / "deploy/.gitignore").read_text().split()
    assert "/secrets/" in ignored
    for secret in compose["secrets"].values():
        assert secret["file"].startswith("./secrets/")


def test_every_setting_in_compose_exists(services: Services) -> None:
    from voorrang.settings import Settings

    known = {f"VOORRANG_{name.upper()}" for name in Settings.model_fields}
    for name, service in services.items():
        given = {key for key in service.get("environment", {}) if key.startswith("VOORRANG_")}
        assert given <= known, f"{name}: {sorted(given - known)}"


@pytest.mark.parametrize("name", sorted(OURS | ONE_SHOT))
def test_settings_of_a_service_load_and_are_the_clinical_ones(
    services: Services, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voorrang.settings import load_settings

    for key in [key for key in os.environ if key.startswith("VOORRANG_")]:
        monkeypatch.delenv(key)
    for key, value in services[name]["environment"].items():
        monkeypatch.setenv(key, str(value))
    settings = load_settings()
    assert settings.purpose == "clinical"
    assert settings.site == "test-site"
    assert settings.archive_dir == Path("/var/lib/voorrang/archive")
    assert settings.bootstrap == services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].partition("://")[2]
    assert not settings.show_names, "a page that shows names binds to loopback only"
    assert settings.database_password_file == Path("/run/secrets/database_password")
    assert settings.database_url.startswith("postgresql+psycopg://")


def test_broker_is_one_node_that_keeps_its_log_on_the_volume(services: Services) -> None:
    kafka = services["kafka"]
    environment = kafka["environment"]
    assert kafka["volumes"] == [f"kafka:{environment['KAFKA_LOG_DIRS']}"]
    # Kafka's own defaults are 3 and 2, which one node can never meet: groups would not form.
    for key in ("OFFSETS_TOPIC", "TRANSACTION_STATE_LOG", "SHARE_COORDINATOR_STATE_TOPIC"):
        assert environment[f"KAFKA_{key}_REPLICATION_FACTOR"] == 1
    for key in ("TRANSACTION_STATE_LOG", "SHARE_COORDINATOR_STATE_TOPIC"):
        assert environment[f"KAFKA_{key}_MIN_ISR"] == 1


def test_the_override_of_the_readme_gives_every_service_the_pathways_and_register_the_models(
    root: Path, services: Services, tmp_path: Path
) -> None:
    from voorrang.settings import Settings

    (text,) = re.findall(r"^```yaml\n(.*?)^```", (root / "deploy/README.md").read_text(), re.DOTALL | re.MULTILINE)
    path = tmp_path / "site.yaml"
    path.write_text(text)
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    override = yaml.safe_load(text)["services"]
    assert set(override) == OURS | {"register"} <= set(services)
    for name, service in override.items():
        ((key, folder),) = service["environment"].items()
        assert key == "VOORRANG_PATHWAYS_DIR"
        assert "pathways_dir" in Settings.model_fields
        assert f"./site/pathways:{folder}:ro" in service["volumes"], name
    assert "./site/models:/in:ro" in override["register"]["volumes"]
