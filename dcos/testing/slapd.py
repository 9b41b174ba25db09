"""A real OpenLDAP server (Debian's slapd) for tests, with a few people and groups."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dcos.testing.certificates import self_signed
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port

SLAPD = Path("/usr/sbin/slapd")
BASE = "dc=example,dc=org"
LOOKUP_DN, LOOKUP_PASSWORD = f"cn=lookup,{BASE}", "lookup password"
_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
TLSCACertificateFile {folder}/tls.crt
TLSCertificateFile {folder}/tls.crt
TLSCertificateKeyFile {folder}/tls.key
database mdb
maxsize 10485760
suffix "{base}"
rootdn "cn=root,{base}"
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=lookup,{base}" read by * none
"""
_PEOPLE = """\
dn: {base}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=lookup,{base}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: lookup
userPassword: lookup password

dn: uid=ann,{base}
objectClass: inetOrgPerson
uid: ann
cn: Ann A.
sn: A
userPassword: ann password

dn: uid=ben,{base}
objectClass: inetOrgPerson
uid: ben
cn: Ben B.
sn: B
userPassword: ben password

dn: cn=twins,{base}
objectClass: inetOrgPerson
uid: twin
cn: twins
sn: T
userPassword: twin password

dn: uid=twin,{base}
objectClass: inetOrgPerson
uid: twin
cn: Twin
sn: T
userPassword: twin password

dn: cn=staff,{base}
objectClass: groupOfNames
cn: staff
member: uid=ann,{base}
member: uid=ben,{base}
member: cn=lookup,{base}
"""


def why_not() -> str | None:
    return None if SLAPD.exists() else "no slapd (package slapd)"


@dataclass(frozen=True, slots=True)
class LdapServer:
    port: int
    tls_port: int
    ca: str
    """Its certificate, PEM; it is for ``localhost``."""


@contextlib.contextmanager
def slapd(folder: Path) -> Iterator[LdapServer]:
    """Runs while the block does."""
    (folder / "data").mkdir(parents=True)
    ca = self_signed(folder)
    config = folder / "slapd.conf"
    config.write_text(_CONFIG.format(folder=folder, base=BASE))
    people = _PEOPLE.format(base=BASE)
    subprocess.run(
        [SLAPD.with_name("slapadd"), "-f", config],
        input=people,
        text=True,
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )
    port, tls_port = free_port(), free_port()
    urls = f"ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/"
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen([SLAPD, "-f", config, "-h", urls, "-d", "0"], stdout=log, stderr=log)
    try:
        _answers(port, child, folder / "log")
        yield LdapServer(port, tls_port, ca)
    finally:
        child.terminate()
        child.wait(PATIENCE_S)


def _answers(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        assert child.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("slapd does not answer")
