"""Which certificates are to be made anew."""

from __future__ import annotations

from cryptography.x509 import Certificate

from dcos.wire import certificates
from dcos.wire.certificates import CertificateError, Names

RENEW_AT = 1 / 3
"""Part of its life left when a certificate is made anew: 112 hours of 14 days."""
WORRY_AT = 1 / 9
"""Part left when that has failed for long: 37 hours of 14 days. Somebody should look."""


def reason(text: str | None, wanted: Names, root: Certificate, now: float) -> str:
    """Why the certificate in a file's ``text`` must be made anew; empty where it serves.

    ``root``: of the authority that signs now. Others may still be trusted, so that nothing breaks until all have a new one.
    """
    if text is None:
        return "there is none"
    try:
        found = certificates.facts(text)
        current = certificates.leads_to(text, root)
    except CertificateError as error:
        return str(error)
    if found.life_left(now) <= RENEW_AT:
        return "it ends soon" if found.end > now else "it is over"
    if found.start > now:
        return "it is of the future"
    if not current:
        return "another authority signed it"
    if (set(wanted.dns) - set(found.names.dns)) or (set(wanted.addresses) - set(found.names.addresses)):
        return "the node's names are others"
    return ""
