"""Settings of preflight."""

from __future__ import annotations

from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.foreign import Opening
from livekit_metal.core.ports import Port, PortRange
from livekit_metal.core.sizing import Need
from livekit_metal.vault.document import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another host of the site, and where one knocks to see that it can be reached."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What something that the site wants needs of this host: cores, memory, or free megabytes in a directory."""

    path: str  # the setting that wants it
    what: str
    cores: float = 0.0
    memory_mb: int = 0  # besides what a host must have in any case
    megabytes: int = 0
    directory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What livekit-server tells clients of this host, and at which of its addresses media may come in."""

    node_ip: str  # one address, or IPv4 and IPv6 with a comma
    inside: tuple[str, ...]  # what is told besides to those in the network of the host
    networks: tuple[str, ...]
    interfaces: tuple[str, ...]
    narrowed: bool  # networks or interfaces are the inventory's
    over_tls: bool  # TURN over TLS is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """What a host must offer."""

    min_memory_mb: int = option(900, "megabytes of memory a host must have")
    min_disk_mb: int = option(2000, "megabytes that must be free where releases, configuration and data go")
    max_skew: float = option(1.0, "seconds a host's clock may differ from the controller's; 5 s remove a node")

    host: str = derived("")
    ports: tuple[Port, ...] = derived(())  # of this host
    addresses: tuple[str, ...] = derived(())  # that this host must carry on an interface
    bound: tuple[str, ...] = derived(())  # the same, of edge.address
    arch: str = derived("")
    peers: tuple[Peer, ...] = derived(())
    media_ports_per_slot: int = derived(0)  # 0: no livekit-server here
    demands: tuple[Demand, ...] = derived(())
    calls: str = derived("")  # livekit.probe, where calls are made on hosts; '' elsewhere
    hairpin: str = derived("")  # the public address, where NAT must bring back what is sent to it from here
    behind: tuple[Peer, ...] = derived(())  # nodes that the daemons here reach at what NAT makes of their addresses
    media: PortRange | None = derived(None)
    offered: Offered | None = derived(None)  # None: no livekit-server here
    daemons: tuple[str, ...] = derived(())  # our units
    ends: tuple[str, ...] = derived(())  # those that a deploy ends by itself
    fingerprint: str = derived("")  # of the secrets file, see livekit_metal/vault/vault.py
    fingerprint_file: str = derived("")
    unsigned: tuple[str, ...] = derived(())  # names and addresses that the site's CA may not sign for
    named: bool = derived(False)  # clients use a name: its addresses are not needed
    words: tuple[Problem, ...] = derived(())  # about the site, told once
    secrets: State = derived(State(0, ""))  # of the secrets file, see livekit_metal/vault/document.py
    serial_file: str = derived("")  # what the host was deployed with
    older_secrets: bool = derived(False)  # deploy them although the host has newer ones
    secrets_file: str = derived("")
    apart: int = derived(
        0
    )  # of a node: it must have been deployed with this serial, by which it knows the daemons' key
    first_apart: int = derived(0)  # of a host with daemons: up to this serial theirs use the applications' key
    nodes: tuple[str, ...] = derived(())  # hosts with livekit-server
    need: Need | None = derived(None)  # for the load that the site names
    filters: bool = derived(True)  # firewall.mode
    opened: tuple[Opening, ...] = derived(())  # firewall.open
    closed: tuple[str, ...] = derived(())  # firewall.closed
    trusted: tuple[str, ...] = derived(())  # firewall.trusted
    notes: tuple[Problem, ...] = derived(())  # what the site itself lets one say of this host
    roots: tuple[str, ...] = derived(())  # directories of ours, which need space
