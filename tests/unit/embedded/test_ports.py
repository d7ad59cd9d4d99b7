from __future__ import annotations

import socket

from deploy.embedded.ports import HOST, free_port, is_free


def test_a_free_port_can_be_listened_on_and_is_outside_the_ephemeral_ranges() -> None:
    port = free_port()
    assert port < 32_768
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, port))
        server.listen()
        assert not is_free(port)
    assert is_free(port)
