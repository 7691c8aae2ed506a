"""The socket of the page."""

from __future__ import annotations

import socket

from voorrang.errors import ConfigurationError


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens.

    Parameters
    ----------
    host, port
        Where; port 0 takes one that is free.

    Raises
    ------
    ConfigurationError
        When somebody else has the port, or the address is not ours.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # asyncio does so only for sockets that name their protocol; without it the second part of an answer waits for
        # an acknowledgement that the other side delays by 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"worklist port {port} on {host}: {error.strerror}; set VOORRANG_WORKLIST_PORT"
        ) from error
    return listening
