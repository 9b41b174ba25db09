"""TLS: the one place where contexts are made.

TLS 1.2 with forward secrecy and authenticated encryption, or 1.3. Whoever asks a service of the cluster checks its certificate
against the cluster's own authorities, never against the system's.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from dcos.model.layout import Layout

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; 1.3 has good ones only."""


def folder(layout: Layout) -> Path:
    """Where a node's certificates are: ``<service>.pem``, key and certificate in one."""
    return layout.state / "pki"


def trusting(bundle: Path) -> ssl.SSLContext:
    """For clients: servers must show a certificate by one of the authorities in ``bundle``, for the name asked for.

    Errors: OSError; ValueError where it holds none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    try:
        context.load_verify_locations(cafile=str(bundle))
    except ssl.SSLError as error:
        raise ValueError(f"{bundle}: holds no certificate in PEM form") from error
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
