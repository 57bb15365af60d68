"""Write (or check) the generated documents."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import types
import typing
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from docs import network, snippets
from docs.coverage import coverage_md
from docs.releases import releases_md
from livekit_metal.core import switches
from livekit_metal.core.fields import options
from livekit_metal.core.ports import Port, Reach
from livekit_metal.site import loading
from livekit_metal.site.model import Site

HERE = Path(__file__).parent
_REACH = {
    Reach.PUBLIC: "open to everybody",
    Reach.CLUSTER: "open to the hosts of the site named under *clients* (media: those of livekit-server; "
    "proxies: `edge.proxies`; scrapers: `exporters.networks`)",
    Reach.TRUNK: "open to the networks of SIP trunks (`sip.trunks`): those they signal from, or those of their media",
    Reach.ADMIN: "open to `firewall.admin`",
    Reach.LOCAL: "for the host itself, never open",
}
# The smallest site that has every role, with TLS, and more than one host so that CLUSTER shows.
_EXAMPLE = {
    "edge": {"tls": "internal"},
    "livekit": {"turn": {"udp_443": True}},
    "hosts": {
        "lk1": {
            "address": "192.0.2.11",
            "cluster": "10.0.0.11",
            "roles": ["livekit", "ingress", "sip", "redis", "prometheus", "agents"],
        },
        "lk2": {"address": "192.0.2.12", "cluster": "10.0.0.12", "roles": ["livekit"]},
    },
    "sip": {"file": "livekit-sip", "sha256": "0" * 64},
    "agents": {"redispatch": True, "echo": {"source": {"python": str(HERE.parent / "examples/agents/echo-python")}}},
    "kamailio": {"certificate": "/etc/ssl/cert.pem", "certificate_key": "/etc/ssl/key.pem"},
}


def _example() -> Site:
    with tempfile.TemporaryDirectory() as directory:
        return loading.load(_EXAMPLE, "example", Path(directory))


def network_md() -> str:
    """docs/network.md with its tables."""
    return network.filled((HERE / "network.md").read_text(), _example(), "lk1")


def _setups() -> Iterator[str]:
    """Documents that show whole inventories."""
    return (f"setups/{file.name}" for file in sorted((HERE / "setups").glob("*.md")))


def ports_md() -> str:
    """docs/ports.md: the registry of a default site."""
    site = _example()
    lines = [
        "# Ports",
        "",
        "Generated from the port registry (`python -m docs`); do not edit. These are the defaults; every port can be",
        "moved in the inventory. A slot that is not running keeps its ports open and reserved: a change never waits",
        "for one. With `edge.tls` off nothing is on `edge.https` and `edge.redirect`, and `edge.http` is PUBLIC; with",
        "`edge.proxies` it is open to these alone, as `edge.turn` is then, or LOCAL where they are on the host itself.",
        "",
        *(f"- **{reach}**: {text}." for reach, text in _REACH.items()),
        "",
        "| port | protocol | reach | clients | owner | what for | moved by |",
        "|---|---|---|---|---|---|---|",
        *(_row(p) for p in sorted(site.ports("lk1"), key=lambda p: (list(Reach).index(p.reach), p.range, p.proto))),
        "",
        "Ask an outside firewall for the PUBLIC rows and ICMP (path MTU discovery); between the hosts of a site, for",
        "the CLUSTER rows; from the carriers, for the TRUNK rows.",
        "",
    ]
    return "\n".join(lines)


def _row(port: Port) -> str:
    clients = ", ".join(port.clients) or ("all hosts" if port.reach is Reach.CLUSTER else "")
    cells = (str(port.range), port.proto, port.reach, clients, port.owner, port.purpose, f"`{port.option}`")
    return f"| {' | '.join(cells)} |"


def configuration_md() -> str:
    """docs/configuration.md: every setting an inventory may have."""
    lines = [
        "# Configuration",
        "",
        "Generated from the settings classes (`python -m docs`); do not edit. An inventory is a Python file with one",
        "mapping, `site`, and the line `hosts = load(site, __file__)`; see `inventories/*.example.py`. Unknown keys",
        "are errors. *required* marks settings without a default.",
        "",
        *_section(loading.site_class(), "site", 2),
        "## Roles that hosts carry",
        "",
        *(f"- `{role.name}`: {role.purpose}" for role in loading.every_role() if role.named),
        "",
        *_shared(),
        "## Switches of a run",
        "",
        "`pyinfra inventories/prod.py deploy.py --data NAME=VALUE`, several if need be. Other names are refused.",
        "",
        "| switch | of | effect |",
        "|---|---|---|",
        *(f"| `{switch}` | {plans} | {doc} |" for switch, plans, doc in switches.table()),
        "",
    ]
    return "\n".join(lines)


def _shared() -> Iterator[str]:
    """What no host may have to itself."""
    yield "## Settings that hosts share"
    yield ""
    yield "`hosts.NAME.settings` may have any setting of a role, and lies over those of the site: mappings key by key,"
    yield "lists and values whole. These are refused there:"
    yield ""
    yield "| setting | why it is the same on every host |"
    yield "|---|---|"
    for role in loading.every_role():
        for option, why in role.everywhere.items():
            yield f"| `{'.'.join(filter(None, (role.name, option)))}`{'' if option else ', all of it'} | {why} |"
    yield ""


def _section(cls: type, title: str, depth: int) -> Iterator[str]:
    hints = typing.get_type_hints(cls)
    yield f"{'#' * depth} {title}"
    yield ""
    yield (cls.__doc__ or "").strip().splitlines()[0]
    yield ""
    yield "| setting | type | default | effect |"
    yield "|---|---|---|---|"
    below = []
    for name, field in options(cls).items():
        inner = _inner(hints[name])
        if inner is not None:
            below.append((inner, name))
        shown = "NAME" if name == getattr(cls, "rest", "") else name
        yield f"| `{shown}` | {_type(hints[name])} | {_default(field, inner)} | {field.metadata['doc']} |"
    yield ""
    for inner, name in below:
        child = name if title == "site" else f"{title}.{'NAME' if name == getattr(cls, 'rest', '') else name}"
        yield from _section(inner, f"{child}.*" if name == "hosts" else child, min(depth + 1, 4))


def _inner(hint: Any) -> Any:
    """The settings class behind a hint, if there is one."""
    candidates = [hint, *typing.get_args(hint)]
    return next((c for c in candidates if dataclasses.is_dataclass(c) and not hasattr(c, "parse")), None)


def _type(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " or ".join(f"`{a!r}`" for a in args)
    if origin in (types.UnionType, typing.Union):
        return _type(next(a for a in args if a is not type(None)))
    if origin is tuple:
        return f"list of {_type(args[0])}"
    if origin is not None:
        return "mapping"
    names = {str: "text", int: "whole number", float: "number", bool: "yes or no"}
    if hint in names:
        return names[hint]
    return {"PortRange": "port or range", "Memory": "share or amount", "Wave": "number or share"}.get(
        hint.__name__, "section"
    )


def _default(field: dataclasses.Field[Any], inner: type | None) -> str:
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        return "*required*"
    if inner is not None:
        return "none" if field.default is None else "below"
    value = field.default if field.default is not dataclasses.MISSING else {}
    if isinstance(value, tuple):
        value = list(value)
    return f"`{value if type(value).__name__ == 'PortRange' else repr(value)}`"


GENERATED: dict[str, Callable[[], str]] = {
    "ports.md": ports_md,
    "network.md": network_md,
    "configuration.md": configuration_md,
    "releases.md": releases_md,
    "coverage.md": coverage_md,
    **{name: partial(snippets.filled, HERE / name) for name in _setups()},
}


def main() -> int:
    """Exit status: 1 when --check found a stale document."""
    stale = 0
    for name, make in GENERATED.items():
        file, text = HERE / name, make()
        if "--check" not in sys.argv:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            print(f"docs/{name}: is stale; run `make docs` and commit it", file=sys.stderr)
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
