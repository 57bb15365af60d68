"""What the network between here and the site does: names, ports that must be closed, the largest packet, TLS."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from cryptography import x509

from livekit_metal.call.server import NEXT, trusted
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.diagnosis.subject import Subject

OPENS = 3.0  # s for a TCP connection
# A video packet of livekit-server: 1200 bytes of RTP, and what SRTP, UDP and IPv4 or IPv6 add (pion: 1200 + 66)
PACKET = 1280
_TCP_HEADERS = 52  # IPv4 20, TCP 20, timestamps 12: what a segment lacks of a packet
_SOON = 14  # days


def is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


async def dns(case: Subject) -> CheckResult | None:
    """None: the URL has an address, not a name."""
    host = urlsplit(case.access.url).hostname or ""
    if not is_name(host):
        return None
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return failed("dns", "", case.here, f"{host} does not resolve ({error.strerror})", "add it to your DNS")
    addresses = sorted({str(each[4][0]) for each in found})
    said = f"{host} is {', '.join(addresses)}"
    if case.addresses and (strange := [a for a in addresses if a not in case.addresses]):
        remedy = f"correct your DNS: the site's hosts are {', '.join(case.addresses)}"
        return failed("dns", "", case.here, f"{said}; {', '.join(strange)} is not a host of the site", remedy)
    return CheckResult(check="dns", vantage=case.here, said=said)


async def certificate(case: Subject, about: str, place: str) -> CheckResult | None:
    """Chain, name and days left of who answers at a URL; None without TLS."""
    url = urlsplit(place)
    if url.scheme not in ("wss", "https") or url.hostname is None:
        return None
    return await shown(case, "tls", about, url.hostname, url.port or 443)


async def shown(case: Subject, check: str, about: str, host: str, port: int) -> CheckResult:
    """The certificate that is shown to who asks for ``host`` there."""
    try:
        async with asyncio.timeout(OPENS):
            _, writer = await asyncio.open_connection(
                case.access.names.get(host, host),
                port,
                ssl=trusted(case.access),
                server_hostname=host,
                happy_eyeballs_delay=NEXT,
            )
    except ssl.SSLCertVerificationError as error:
        fact = f"the certificate of {host}:{port} is not trusted: {error.verify_message}"
        remedy = "renew or replace it; with a CA of the site's own, name it as ca_file"
        return failed(check, about, case.here, fact, remedy)
    except socket.gaierror as error:
        return failed(check, about, case.here, f"{host} does not resolve ({error.strerror})", "add it to your DNS")
    except (OSError, TimeoutError) as error:
        fact = f"no TLS with {host}:{port}: {error or 'nothing came'}"
        return failed(check, about, case.here, fact, "see what listens there")
    session: ssl.SSLObject = writer.get_extra_info("ssl_object")
    shown = session.getpeercert(binary_form=True) or b""
    days = (x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp() - time.time()) / 86400
    writer.close()
    said = f"{session.version()}, {int(days)} days left"
    if days < _SOON:
        remedy = "see why it was not renewed"
        return CheckResult(check=check, about=about, vantage=case.here, result=Result.NOTE, said=said, remedy=remedy)
    return CheckResult(check=check, about=about, vantage=case.here, said=said)


async def closed(case: Subject, about: str, address: str) -> CheckResult:
    """That ports for the site's own hosts take no connection from here."""
    here = own(address)
    mine = {name: port for name, port in case.closed[address].items() if _admitted(case, name, here)}
    ports = {name: port for name, port in case.closed[address].items() if name not in mine}
    if here in {host.address for host in case.access.hosts.values()}:
        said = "this machine is one of the site's hosts"
        remedy = "run this from elsewhere to see what is closed"
        return CheckResult(check="closed", about=about, vantage=case.here, result=Result.NOTE, said=said, remedy=remedy)
    found = await asyncio.gather(*(_opens(address, port) for port in ports.values()))
    opened = {name: port for (name, port), opens in zip(ports.items(), found, strict=True) if opens}
    if opened:
        which = ", ".join(f"{port} ({name})" for name, port in opened.items())
        remedy = _open_remedy(case, about, address)
        if all(name in case.admitted for name in opened):  # the host sees another address than this machine does
            remedy = (
                f"as it should be if NAT has this machine come from edge.proxies or exporters.networks; else {remedy}"
            )
        return failed("closed", about, case.here, f"{which} of {address} takes connections from here", remedy)
    said = f"{len(ports)} ports"
    if mine:
        said += f"; {', '.join(map(str, mine.values()))} not tried, which the site opens to this machine"
    return CheckResult(check="closed", about=about, vantage=case.here, said=said)


def _admitted(case: Subject, port: str, here: str) -> bool:
    """Whether a port is open to this machine: a Prometheus of the operator's may be here, or his proxy."""
    return bool(here) and any(
        ipaddress.ip_address(here) in ipaddress.ip_network(each) for each in case.admitted.get(port, ())
    )


def _open_remedy(case: Subject, about: str, address: str) -> str:
    if address in case.unfiltered:
        return "firewall.mode is none: close it in the firewall that filters instead (docs/network.md)"
    return f"see `nft list ruleset` on {about or 'the host'}; a deploy puts livekit-metal's own rules back"


async def _opens(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(OPENS):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def own(address: str) -> str:
    """The address of this machine that goes to another one; no packet is sent for it."""
    try:
        family, _, _, _, target = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    except OSError:
        return ""


async def segment(case: Subject, about: str, url: str) -> CheckResult | None:
    """What both ends agreed upon as the largest TCP segment tells how large a packet may be on the way.

    None: nobody takes the connection, which is what the row signalling is about.
    """
    place = urlsplit(url)
    host, port = place.hostname or "", place.port or (443 if place.scheme in ("wss", "https") else 80)
    try:
        async with asyncio.timeout(OPENS):
            _, writer = await asyncio.open_connection(host, port, happy_eyeballs_delay=NEXT)
    except (OSError, TimeoutError):
        return None
    size = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    writer.close()
    largest = size + _TCP_HEADERS
    if largest < PACKET:
        fact = f"packets to {host} may have {largest} bytes, video needs {PACKET}"
        return failed("segment", about, case.here, fact, "raise the MTU of the host, or of the tunnel on the way")
    return CheckResult(check="segment", about=about, vantage=case.here, said=f"packets of {largest} bytes")


def present(rows: Iterable[CheckResult | None]) -> list[CheckResult]:
    return [row for row in rows if row is not None]
