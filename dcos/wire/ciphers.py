"""What is spoken over TLS, in OpenSSL's words: forward secrecy and authenticated encryption. Suites of 1.3 all have both."""

from __future__ import annotations

PROTOCOLS = ("TLSv1.2", "TLSv1.3")
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2."""
CIPHERS_OF_OLD = f"{CIPHERS}:ECDHE+AES:@SECLEVEL=0"
"""Where TLS 1.0 or 1.1 must be spoken: they know no authenticated encryption, and sign with SHA-1."""
