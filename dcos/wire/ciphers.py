"""What is spoken over TLS 1.2, in OpenSSL's words: forward secrecy and authenticated encryption. Suites of 1.3 all have both."""

from __future__ import annotations

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
