"""
The child of a worker: loads the models, keeps them, reads series; may be killed at any moment.

It reads the volume itself instead of getting it from the worker by shared memory: so the files go straight into the
one array that the models read, a decoder that crashes on a hostile file takes no worker with it, the limit of memory
counts the volume, and killing the child leaves nothing behind that somebody would have to clean up.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from inference.archived_series import read_archived
from inference.model import Model
from inference.running.blas import use_one_blas_thread
from inference.running.choosing import choose_conditions
from inference.running.ladder import rungs
from inference.running.loading import identity_of
from inference.running.memory import DeviceLostError, be_killed_first, limit_memory
from inference.running.messages import EXIT_DEVICE_LOST, Done, Job, Ready, Refused, Start
from voorrang.archive import Archive
from voorrang.errors import ConfigurationError
from voorrang.logs import configure_logging, get_logger
from voorrang.parent import end_with_parent, is_orphan


def main(descriptor: int, parent: int) -> int:
    """
    Serve one worker until it is gone.

    Parameters
    ----------
    descriptor
        Our end of the socket.
    parent
        Process id of the worker.

    Returns
    -------
    int
        The exit code: 1 when the models cannot be loaded, `EXIT_DEVICE_LOST` when another child must go on.
    """
    die_with(parent)
    be_killed_first()
    connection: Connection[Any, Any] = Connection(descriptor)
    start: Start = connection.recv()
    configure_logging("inference", start.log_level)
    limit_memory(start.memory_bytes)
    try:
        models = _load(start)
        use_one_blas_thread()
        conditions = start.conditions or choose_conditions(start.device, models.values(), start.data_dir)
    except ConfigurationError as error:
        connection.send(Refused(str(error)))
        return 1
    connection.send(Ready({name: identity_of(model) for name, model in models.items()}, conditions))
    archive = Archive(start.archive_dir)
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return 0
        wanted = {name: models[name] for name in job.models}
        ladder = rungs(conditions)
        try:
            for name, outcome in read_archived(wanted, archive, job.manifest, job.criteria, ladder, job.rivals):
                connection.send(Done(name, outcome))
        except DeviceLostError:
            get_logger().error("the GPU was lost", remedy="see dmesg for Xid, and nvidia-smi")
            return EXIT_DEVICE_LOST


def die_with(parent: int) -> None:
    """Ask to be killed when the worker dies, however it dies and whatever we are at; Linux only."""
    end_with_parent()
    if is_orphan(parent):
        os._exit(1)


def _load(start: Start) -> dict[str, Model]:
    module, _, function = start.loader.partition(":")
    try:
        models: dict[str, Model] = getattr(import_module(module), function)(start.names, start.bundles_dir)
    except ConfigurationError:
        raise
    except Exception as error:  # whatever a model raises as it loads: the worker refuses to start, and says which
        get_logger().debug("models", exc_info=True)
        names = ", ".join(start.names)
        raise ConfigurationError(f"models cannot be loaded ({names}): {type(error).__name__}") from error
    return models


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
