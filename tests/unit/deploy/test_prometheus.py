"""Prometheus: it scrapes what compose starts; every alert has a metric and a page of what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

OURS = ("ingest", "inference", "worklist", "monitoring")
ALERTS = {
    "UnaccountedInstances",
    "ServiceDown",
    "TaskStopped",
    "MessageStuck",
    "OnCallNotTold",
    "OnCallChannelFails",
    "OldestWaitingTooOld",
    "DeadLetters",
    "ResultLate",
    "DiskFilling",
    "WorkExceedsReaders",
}


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    """Folder that compose mounts into Prometheus."""
    return root / "deploy/prometheus"


@pytest.fixture(scope="module")
def config(folder: Path) -> dict[str, Any]:
    """prometheus.yml."""
    loaded: dict[str, Any] = yaml.safe_load((folder / "prometheus.yml").read_text())
    return loaded


@pytest.fixture(scope="module")
def alerts(folder: Path) -> list[dict[str, Any]]:
    """Every rule of alerts.yml."""
    groups = yaml.safe_load((folder / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def exported() -> dict[str, set[str]]:
    """Return each series that voorrang.metrics can export, with the labels it carries."""
    from prometheus_client.metrics import MetricWrapperBase

    from voorrang import metrics

    found: dict[str, set[str]] = {"up": set()}
    for metric in vars(metrics).values():
        if not isinstance(metric, MetricWrapperBase):
            continue
        labels = set(metric._labelnames)
        for family in metric.describe():
            if family.type == "histogram":
                found[f"{family.name}_bucket"] = labels | {"le"}
                found[f"{family.name}_count"] = found[f"{family.name}_sum"] = labels
            else:
                found[f"{family.name}_total" if family.type == "counter" else family.name] = labels
    return found


def test_targets_are_the_services_of_compose_on_their_metrics_ports(
    config: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    targets = {
        job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]]
        for job in config["scrape_configs"]
    }
    wanted = {
        name: [f"{name}:{services[name]['environment'][f'VOORRANG_{name.upper()}_METRICS_PORT']}"] for name in OURS
    }
    assert targets == wanted


def test_prometheus_shares_a_network_with_every_target(services: dict[str, dict[str, Any]]) -> None:
    for name in OURS:
        assert set(services["prometheus"]["networks"]) & set(services[name]["networks"])


def test_compose_mounts_the_configuration_that_it_names(
    folder: Path, config: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    prometheus = services["prometheus"]
    assert "./prometheus:/etc/prometheus:ro" in prometheus["volumes"]
    assert "--config.file=/etc/prometheus/prometheus.yml" in prometheus["command"]
    assert all((folder / name).is_file() for name in config["rule_files"])


def test_alerts_are_the_agreed_ones(alerts: list[dict[str, Any]]) -> None:
    assert sorted(rule["alert"] for rule in alerts) == sorted(ALERTS)


def test_every_alert_has_a_runbook_that_is_about_it(root: Path, alerts: list[dict[str, Any]]) -> None:
    pages = set()
    for rule in alerts:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description", "runbook"} <= set(rule["annotations"])
        runbook = rule["annotations"]["runbook"]
        assert re.fullmatch(r"docs/runbooks/[a-z-]+\.md", runbook)
        assert (root / runbook).read_text().startswith(f"# {rule['alert']}\n")
        pages.add(runbook)
    # Every page in the folder has its alert too, or a link from the operators' page: one nobody is sent to goes stale.
    linked = re.findall(r"\((runbooks/[a-z-]+\.md)\)", (root / "docs/for-operations.md").read_text())
    found = {f"docs/runbooks/{path.name}" for path in (root / "docs/runbooks").glob("*.md")}
    assert found == pages | {f"docs/{page}" for page in linked}


def test_runbook_commands_name_services_of_compose(root: Path, services: dict[str, dict[str, Any]]) -> None:
    pages = [*(root / "docs/runbooks").glob("*.md"), root / "deploy/README.md"]
    for page in pages:
        for named in re.findall(r"docker compose[^\n`]*? (?:exec|restart|run --rm) (\w+)", page.read_text()):
            assert named in {*services, "SERVICE"}, f"{page.name}: {named}"


def test_every_metric_in_an_alert_is_exported_with_the_labels_it_is_asked_for(
    alerts: list[dict[str, Any]],
) -> None:
    known = exported()
    for rule in alerts:
        named = re.findall(r"\b(up|voorrang_\w+)(?:\{([^}]*)\})?", rule["expr"])
        assert named, rule["alert"]
        for name, matchers in named:
            assert name in known, f"{rule['alert']}: {name}"
            assert set(re.findall(r"(\w+)[=!]", matchers)) <= known[name], rule["alert"]
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        assert grouped <= {label for name, _ in named for label in known[name]}, rule["alert"]


def test_labels_in_a_summary_are_there_when_the_alert_fires(alerts: list[dict[str, Any]]) -> None:
    known = exported()
    for rule in alerts:
        kept = {"job", "instance"} | {
            label for name in re.findall(r"\bvoorrang_\w+", rule["expr"]) for label in known[name]
        }
        by = re.findall(r"by \(([^)]*)\)", rule["expr"])
        kept = set(re.findall(r"\w+", by[0])) if by else kept
        used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert used <= kept, rule["alert"]


def test_result_late_holds_every_urgent_pathway_to_its_own_promise(root: Path, alerts: list[dict[str, Any]]) -> None:
    from voorrang.metrics import WAIT_BUCKETS_SECONDS

    (expression,) = [rule["expr"] for rule in alerts if rule["alert"] == "ResultLate"]
    watched = {name: float(limit) for name, limit in re.findall(r'pathway="([\w-]+)".*?> (\d+)', expression, re.DOTALL)}
    assert watched
    assert set(watched.values()) <= set(WAIT_BUCKETS_SECONDS), "a limit between two buckets is a guess"
    promised = {}
    for path in (root / "voorrang/pathways").rglob("*.yaml"):
        pathway = yaml.safe_load(path.read_text())
        if pathway.get("lane") == "urgent":
            promised[pathway["pathway"]] = 60.0 * pathway["delay"]["result_within_minutes"]
    if not promised:
        pytest.skip("no pathway of the urgent lane in the package yet")
    assert watched == promised


@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_promtool_passes(promtool: str, folder: Path, command: tuple[str, ...]) -> None:
    done = subprocess.run([promtool, *command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_exercised(folder: Path) -> None:
    tests = yaml.safe_load((folder / "alerts_test.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    silent = {case["alertname"] for test in tests for case in test["alert_rule_test"] if not case.get("exp_alerts")}
    assert fired == silent == ALERTS
