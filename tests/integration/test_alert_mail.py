"""Who is told of an alert: Debian's Alertmanager with the configuration of compose, a mail server, and the API."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.compose import read_compose
from tests.neighbours.mail import mail_server
from tests.neighbours.starting import free_port, wait_until

pytestmark = pytest.mark.integration

WITHIN_SECONDS = 60.0
COMPOSE = Path(__file__).parents[2] / "deploy/compose.yaml"
SITE = {
    "ALERTS_FROM": "voorrang@example.org",
    "ALERTS_PAGE_TO": "night@example.org",
    "ALERTS_TICKET_TO": "day@example.org",
}


@pytest.fixture(scope="module")
def alertmanager() -> str:
    """Alertmanager's program; no wheel ships it."""
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if found is None or shutil.which("amtool") is None:
        pytest.skip("alertmanager is not on PATH (Debian package: prometheus-alertmanager)")
    return found


def configuration(folder: Path, smtp: str) -> Path:
    """Write the configuration of compose for a site with a mail relay that speaks no TLS."""
    told = read_compose(COMPOSE, {**SITE, "ALERTS_SMTP": smtp, "ALERTS_SMTP_TLS": "false"})
    path = folder / "alertmanager.yml"
    path.write_text(told["configs"]["alertmanager"]["content"])
    return path


@contextmanager
def running(program: str, folder: Path, configuration: Path) -> Iterator[str]:
    """Run it and give its address."""
    at = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={configuration}", f"--storage.path={folder}", f"--web.listen-address={at}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--cluster.listen-address="], stdout=log, stderr=log)
    try:
        wait_until(lambda: is_ready(f"http://{at}/-/ready"), WITHIN_SECONDS, (folder / "log").read_text())
        yield f"http://{at}"
    finally:
        process.terminate()
        process.wait()


def is_ready(address: str) -> bool:
    try:
        return httpx.get(address).status_code == 200
    except httpx.TransportError:
        return False


def fire(address: str, *alerts: dict[str, str]) -> None:
    """Send alerts as Prometheus does."""
    annotations = {"summary": "what it means", "runbook": "docs/runbooks/page.md"}
    body = [{"labels": labels, "annotations": annotations} for labels in alerts]
    assert httpx.post(f"{address}/api/v2/alerts", json=body).status_code == 200


def test_a_page_and_a_ticket_reach_those_whom_the_site_names_each_kind_in_one_mail(
    alertmanager: str, tmp_path: Path
) -> None:
    with mail_server() as box:
        told = configuration(tmp_path, f"127.0.0.1:{box.port}")
        assert subprocess.run(["amtool", "check-config", told], capture_output=True).returncode == 0
        with running(alertmanager, tmp_path, told) as address:
            tasks = [
                {"alertname": "TaskStopped", "severity": "page", "service": service, "task": "relay"}
                for service in ("ingest", "worklist")
            ]
            fire(address, *tasks, {"alertname": "DeadLetters", "severity": "ticket", "consumer": "worklist"})
            wait_until(lambda: len(box.mails) == 2, WITHIN_SECONDS, "two mails")

        by_recipient = dict(zip([to for (to,) in box.recipients], box.mails, strict=True))
        assert set(by_recipient) == {SITE["ALERTS_PAGE_TO"], SITE["ALERTS_TICKET_TO"]}
        page = by_recipient[SITE["ALERTS_PAGE_TO"]]
        assert page["From"] == SITE["ALERTS_FROM"]
        assert "TaskStopped" in page["Subject"]
        assert "FIRING:2" in page["Subject"]
        (body,) = [part for part in page.walk() if part.get_content_type() == "text/html"]
        text = body.get_content()
        assert all(word in text for word in ("ingest", "worklist", "what it means", "docs/runbooks/page.md"))


def test_without_a_name_for_who_is_told_nothing_starts(alertmanager: str, tmp_path: Path) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(read_compose(COMPOSE, {})["configs"]["alertmanager"]["content"])
    assert subprocess.run(["amtool", "check-config", path], capture_output=True).returncode == 1
