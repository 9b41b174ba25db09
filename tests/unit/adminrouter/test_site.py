"""nginx's text: equal to the golden files, complete, and fine with the real nginx.

Re-make the golden files with ``DCOS_UPDATE_GOLDEN=1``, then read the difference.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dcos.adminrouter import certificate
from dcos.adminrouter.core.locations import Files, Secured, quoted, table_routes, upstream_name
from dcos.adminrouter.core.site import Site, Tls, render
from dcos.registry import NodeRole

GOLDEN = Path(__file__).parents[2] / "golden/adminrouter"


def _site(role: NodeRole, base: Path = Path("/base")) -> Site:
    upstreams = {
        upstream_name(service, route.to): f"unix:{base}/run/x.sock" if route.to.startswith("unix:") else "10.0.0.1:1234"
        for service, route in table_routes(role)
    }
    master = role is NodeRole.MASTER
    return Site(
        role=role,
        listen=("0.0.0.0", "::") if master else ("10.0.0.1",),
        port=80 if master else 61001,
        tls=Tls(port=443, certificate=base / "state/server.crt", key=base / "state/server.key") if master else None,
        run=base / "run",
        bodies=base / "state/bodies",
        files=Files(
            ui=base / "ui",
            pages=base / "run/pages",
            version=base / "etc/dcos-version.json",
            buildinfo=base / "opt/active.buildinfo.full.json",
            metadata=base / "opt/active/dcos-metadata/etc",
            authorities=base / "etc/ca-bundle.crt",
        ),
        upstreams=upstreams,
    )


def _secured(role: NodeRole, base: Path = Path("/base")) -> Site:
    own, site = base / "state/own.pem", _site(role, base)
    secured = Secured(certificate=own, authorities=base / "etc/ca-bundle.crt")
    tls = Tls(port=443 if site.tls else 61002, certificate=own, key=own)
    return replace(site, secured=secured, strict=True, tls=tls, checked=role is NodeRole.MASTER)


def test_an_agents_ports() -> None:
    """61001 plain; with a certificate 61002 over TLS, for anybody; in mode strict 61002 alone, for masters."""
    plain, strict = _site(NodeRole.AGENT), _secured(NodeRole.AGENT)
    both = replace(strict, strict=False, secured=None)
    open_, secured = "listen 10.0.0.1:61001 default_server;", "listen 10.0.0.1:61002 ssl default_server;"
    for site, expected in ((plain, [open_]), (both, [open_, secured]), (strict, [secured])):
        assert [line.strip() for line in render(site).splitlines() if "listen " in line] == expected
    assert (plain.ports, both.ports, strict.ports) == ((61001,), (61001, 61002), (61002,))
    assert "ssl_verify_client on;" in render(strict)
    assert "ssl_verify_client" not in render(both)


def test_protocols_and_ciphers_as_told() -> None:
    site = _secured(NodeRole.AGENT)
    assert site.tls is not None
    text = render(
        replace(site, tls=replace(site.tls, protocols=("TLSv1.1", "TLSv1.2"), ciphers="ECDHE+AES:@SECLEVEL=0"))
    )
    assert "ssl_protocols TLSv1.1 TLSv1.2;" in text
    assert 'ssl_ciphers "ECDHE+AES:@SECLEVEL=0";' in text


def test_connections_are_kept_where_nginx_has_lua() -> None:
    plain = render(_site(NodeRole.MASTER))
    kept = render(replace(_site(NodeRole.MASTER), lua=Path("/modules")))
    assert "lua" not in plain
    assert 'load_module "/modules/ngx_http_lua_module.so";' in kept
    assert kept.count("balancer_by_lua_block") == 2
    # who asks and where it goes to is decided all the same
    assert kept[kept.index("    server {") :] == plain[plain.index("    server {") :]


@pytest.mark.parametrize("made", [_site, _secured])
@pytest.mark.parametrize("role", [NodeRole.MASTER, NodeRole.AGENT])
def test_golden(role: NodeRole, made: Callable[[NodeRole], Site]) -> None:
    name = f"nginx-{role}.conf" if made is _site else f"nginx-{role}-strict.conf"
    path, text = GOLDEN / name, render(made(role))
    if os.environ.get("DCOS_UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def test_both_kinds_of_agents_have_the_same() -> None:
    agent, public = (render(_site(role)) for role in (NodeRole.AGENT, NodeRole.PUBLIC_AGENT))
    assert agent == public


@pytest.mark.parametrize("role", list(NodeRole))
def test_every_route_of_the_table_has_a_location(role: NodeRole) -> None:
    text = render(_site(role))
    for _, route in table_routes(role):
        how = "= " if route.exact else "~ " if route.pattern else ""
        assert f"location {how}{route.prefix} {{" in text, route


def test_whatever_proxies_on_a_master_asks_first() -> None:
    """A location without the sub-request is either open by the reference or only reached from one that asked."""
    text = render(_site(NodeRole.MASTER))
    unasked = {
        block.split(" {")[0].strip()
        for block in text.split("        location ")[1:]
        if "proxy_pass" in block and "auth_request /" not in block
    }
    assert unasked == {
        "= /exhibitor/exhibitor/v1/cluster/status",
        "/acs/api/v1/auth/",
        "~ ^/acs/api/v1/auth/saml/providers/[^/]+/(?:acs-callback|sp-metadata)$",
        "/ca/node/v1/",
        "= /dcos-metadata/ui-config.json",
        "= /nginx/metrics",
        "= /nginx/status",
        "= /_dcos/decide",
        "= /_dcos/decide-finally",
        "@dcos_service_buffered",
        "@dcos_service_unbuffered",
        "@dcos_service_verified",
    }


@pytest.mark.parametrize("role", [NodeRole.MASTER, NodeRole.AGENT])
def test_in_mode_strict_every_service_of_the_cluster_is_verified(role: NodeRole) -> None:
    """What goes to the cluster's own services checks their names; only apps and sockets of this machine are asked without."""
    for text in render(_secured(role)).split("        location ")[1:]:
        head = text.split(" {")[0].strip()
        if "proxy_pass" not in text:
            continue
        inside = "proxy_pass https://" in text or "proxy_pass $dcos_scheme" in text
        assert ("proxy_ssl_verify on;" in text) == (inside and head not in APPS), head
        assert ("proxy_ssl_name" in text) == ("proxy_ssl_verify on;" in text)
    if role is NodeRole.MASTER:
        plain = render(_secured(role)).split("server {")[1]
        assert "return 308 https://$host$request_uri;" in plain
        assert "proxy_pass" not in plain


APPS = ("@dcos_service_buffered", "@dcos_service_unbuffered")


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx on PATH (nginx-light)")
@pytest.mark.parametrize("made", [_site, _secured])
@pytest.mark.parametrize("role", [NodeRole.MASTER, NodeRole.AGENT])
def test_nginx_takes_it(role: NodeRole, made: Callable[[NodeRole, Path], Site], tmp_path: Path) -> None:
    site = made(role, tmp_path)
    for folder in ("run", "state/bodies"):
        (tmp_path / folder).mkdir(parents=True)
    if site.tls:
        own = tmp_path / "state/server.crt", tmp_path / "state/server.key"
        certificate.ensure(*own, addresses=("10.0.0.1",), now=1_700_000_000)
        (tmp_path / "state/own.pem").write_text("".join(path.read_text() for path in own))
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/ca-bundle.crt").write_text(own[0].read_text())
    text = render(
        replace(site, listen=("127.0.0.1",), port=18080, tls=replace(site.tls, port=18443) if site.tls else None)
    )
    (tmp_path / "nginx.conf").write_text(text)
    argv = ["nginx", "-t", "-q", "-p", f"{tmp_path}/", "-c", str(tmp_path / "nginx.conf")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("bad", ["a;b", "a$b", 'a"b', "a\nb", "a{b", "a\\b", "a'b"])
def test_nothing_slips_into_the_text(bad: str) -> None:
    with pytest.raises(ValueError, match="not usable"):
        quoted(bad)
    with pytest.raises(ValueError, match="not usable"):
        render(replace(_site(NodeRole.MASTER), login=bad))
    with pytest.raises(ValueError, match="not usable"):
        render(replace(_site(NodeRole.MASTER), run=Path("/") / bad))
    with pytest.raises(ValueError, match="not usable"):
        render(replace(_site(NodeRole.MASTER), access_log=f"syslog:{bad}"))


def test_the_certificate_is_made_once(tmp_path: Path) -> None:
    pair = tmp_path / "a.crt", tmp_path / "a.key"
    assert certificate.ensure(*pair, addresses=("10.0.0.1", "fd00::1"), now=1_700_000_000)
    before = pair[0].read_bytes()
    assert not certificate.ensure(*pair, addresses=("10.0.0.1",), now=1_700_000_000)
    assert pair[0].read_bytes() == before
    assert pair[1].stat().st_mode & 0o777 == 0o600


def test_our_web_interface_has_a_strict_policy_and_assets_that_are_kept() -> None:
    site = _site(NodeRole.MASTER)
    other, own = render(site), render(replace(site, files=replace(site.files, own_ui=True)))
    assert "Content-Security-Policy" not in other  # upstream's needs styles within its pages
    policy = next(line for line in own.splitlines() if "Content-Security-Policy" in line)
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in own
    page, assets = own.index("location / {"), own.index("location /assets/ {")
    assert 'add_header Cache-Control "no-cache";' in own[page:assets]
    assert "immutable" in own[assets : own.index("}", assets)]
    assert "immutable" not in own[page:assets]
    assert own.count("X-Content-Type-Options nosniff always;") == 2
