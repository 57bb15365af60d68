"""Settings of Kamailio, and what it must know of trunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.core.slots.active import Active
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import HostPath

UNIT = "livekit-kamailio.service"
_RUNTIME = "livekit-kamailio"  # directory below /run
# A slot says in it through which trunk a call leads out. No carrier is shown it.
TRUNK_HEADER = "X-LiveKit-Metal-Trunk"
KEY = "kamailio"  # the name of the password that binds calls out to their dialogs
SIGNALLING = "trunks"  # the networks that may call, as Port.clients names them


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A network that may call, and the numbers that may be called from there, with commas; ``*`` is any."""

    network: str
    numbers: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A carrier to register with."""

    trunk: str
    registrar: str
    domain: str
    user: str
    password: Secret
    expires: int

    @property
    def password_field(self) -> str:
        """The password as a field of db_text, with its own marks escaped."""
        return _field(self.password.reveal())

    @property
    def proxy_field(self) -> str:
        return _field(f"sip:{self.registrar}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """Where calls out through a trunk lead."""

    trunk: str
    address: str  # host or host:port
    transport: str  # auto: as DNS says, else UDP

    @property
    def target(self) -> str:
        """What follows the @ of its URIs."""
        return self.address + (f";transport={self.transport}" if self.transport != "auto" else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Kamailio on each host with the role ``sip``: what carriers reach."""

    header: ClassVar[str] = TRUNK_HEADER
    user: ClassVar[str] = "kamailio"  # made by Debian's package
    runtime: ClassVar[str] = _RUNTIME

    port: PortRange = option(PortRange(5060, 5060), "SIP for carriers, UDP and TCP")
    tls_port: PortRange = option(PortRange(5061, 5061), "SIP over TLS, where there is a certificate")
    inside: PortRange = option(PortRange(5059, 5059), "the side of the slots, on loopback (UDP)")
    certificate: HostPath = option("", "file on the hosts with certificate and chain (PEM), readable for user kamailio")
    certificate_key: HostPath = option("", "file on the hosts with its key, readable for user kamailio")
    flood: int = option(
        60, "new requests from one address within 2 s, and a quarter of what it may send in all; no answer to more"
    )
    workers: int = option(4, "processes that take requests, for each port")

    address: str = derived("")  # of this host's interface
    public_address: str = derived("")  # that carriers reach
    sources: tuple[Source, ...] = derived(())
    registrations: tuple[Registration, ...] = derived(())
    outgoing: tuple[Outgoing, ...] = derived(())
    key: Secret = derived(Secret("kamailio", ""))
    config_root: str = derived("")
    active: Active = derived(Active())
    slot_unit: str = derived("")  # name of a slot's unit, with {} for the slot

    def ports(self) -> Iterator[Port]:
        who = (SIGNALLING,)
        for name, proto in (("sip-udp", Proto.UDP), ("sip-tcp", Proto.TCP)):
            yield Port("kamailio", name, proto, self.port, Reach.TRUNK, "SIP of carriers", "kamailio.port", who)
        if self.certificate:
            words = ("SIP of carriers over TLS", "kamailio.tls_port")
            yield Port("kamailio", "sip-tls", Proto.TCP, self.tls_port, Reach.TRUNK, *words, who)
        yield Port("kamailio", "inside", Proto.UDP, self.inside, Reach.LOCAL, "SIP of the slots", "kamailio.inside")

    @property
    def directory(self) -> str:
        return f"{self.config_root}/kamailio"

    @property
    def config_file(self) -> str:
        return f"{self.directory}/kamailio.cfg"

    @property
    def sources_file(self) -> str:
        """Who may call whom: re-read without a restart."""
        return f"{self.directory}/sources"

    @property
    def registrations_directory(self) -> str:
        """Tables of Kamailio's db_text: re-read without a restart."""
        return f"{self.directory}/registrations"

    @property
    def tls_file(self) -> str:
        return f"{self.directory}/tls.cfg"

    @property
    def dispatch(self) -> str:
        """The program that tells Kamailio which slot is active."""
        return f"{self.directory}/dispatch.sh"

    @property
    def reread(self) -> str:
        """The program that has Kamailio take sources, registrations and certificates again."""
        return f"{self.directory}/reread.sh"

    @property
    def reread_files(self) -> tuple[str, ...]:
        """What :attr:`reread` takes again, in this order."""
        registrations = (f"{self.registrations_directory}/uacreg",) if self.registrations else ()
        tls = (self.tls_file, self.certificate, self.certificate_key) if self.certificate else ()
        return (self.sources_file, *registrations, *tls)

    def way_out(self, out: Outgoing) -> str:
        """The socket that calls to a carrier leave from: the one that it calls."""
        proto = "udp" if out.transport == "auto" else out.transport
        return f"{proto}:{self.address}:{self.tls_port if proto == 'tls' else self.port}"

    @property
    def socket_field(self) -> str:
        """Where registrations leave from, as a field of db_text."""
        return _field(f"udp:{self.address}:{self.port}")

    @property
    def socket(self) -> str:
        """Where kamcmd talks to it."""
        return f"/run/{self.runtime}/ctl"

    @property
    def flood_of_any(self) -> int:
        """How many requests one address may send within 2 s in all: a call has an INVITE, an ACK, a BYE, and more."""
        return 4 * self.flood

    @property
    def slots_file(self) -> str:
        """Where new calls go. Root writes it: not below :attr:`runtime`, which belongs to Kamailio."""
        return f"{self.directory}/slots"

    @property
    def as_user(self) -> str:
        """Shell words before a command that goes to Kamailio's own directory."""
        return f"setpriv --reuid={self.user} --regid={self.user} --clear-groups"

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("port", "tls_port", "inside"):
            if len(getattr(self, name)) != 1:
                yield Problem(f"{path}.{name}", f"is a range ({getattr(self, name)})", "give one port")
            elif getattr(self, name).first < 1024:
                remedy = "choose one from 1024 up: Kamailio runs without privileges"
                yield Problem(f"{path}.{name}", f"is {getattr(self, name)}", remedy)
        if bool(self.certificate) != bool(self.certificate_key):
            yield Problem(f"{path}.certificate", "and certificate_key belong together", "set both, or none")
        if self.flood < 10:
            yield Problem(f"{path}.flood", f"is {self.flood}", "let a carrier send at least 10 requests in 2 s")
        if not 1 <= self.workers <= 64:
            yield Problem(f"{path}.workers", f"is {self.workers}", "choose 1 to 64")


def _field(text: str) -> str:
    return text.replace("\\", "\\\\").replace(":", "\\:")
