"""``extra``: what a setting decides, what listens, what is dead, unknown or of no use is told when a site is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.site.model import Site
from tests.unit.site.test_site import put

MakeSite = Callable[[dict[str, Any]], Site]
LISTENS = "opens a port, and every slot would try to have the same; "


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        # C1: two settings of upstream's for one thing
        (
            "livekit/extra",
            {"rtc": {"port_range_start": 16384}},
            ".rtc.port_range_start: is set by livekit-metal; use livekit.media_udp",
        ),
        # C2: ports under any name
        ("livekit/extra", {"prometheus_port": 6789}, f".prometheus_port: {LISTENS}use livekit.metrics"),
        ("livekit/extra", {"turn": {"tls_port": 5349}}, f".turn.tls_port: {LISTENS}use livekit.turn_tls"),
        (
            "livekit/extra",
            {"turn": {"cert_file": "/x"}},
            ".turn.cert_file: is set by livekit-metal; leave it out: the edge speaks TLS for it",
        ),
        ("livekit/extra", {"webtransport": {"port": 443}}, f".webtransport: {LISTENS}leave it out: signalling"),
        ("livekit/extra", {"rtc": {"use_stun_port_as_ice": True}}, f".rtc.use_stun_port_as_ice: {LISTENS}"),
        ("egress/extra", {"debug_handler_port": 6060}, f".debug_handler_port: {LISTENS}leave it out"),
        ("ingress/extra", {"rtc_config": {"tcp_port": 7889}}, f".rtc_config.tcp_port: {LISTENS}use ingress.media_udp"),
        ("sip/extra", {"tls": {"port": 5061}}, f".tls: {LISTENS}use kamailio.certificate"),
        ("sip/extra", {"pprof_port": 6060}, f".pprof_port: {LISTENS}leave it out"),
        ("sip/extra", {"sip_port_listen": 5060}, f".sip_port_listen: {LISTENS}use sip.port"),
        # C3: keys that are not read, or win
        ("livekit/extra", {"keys": {"k": "s"}}, ".keys: is not read: the keys are in a file of their own; use python "),
        ("livekit/extra", {"key_file": "/x"}, ".key_file: is not read: --key-file names the site's own; use python "),
        ("livekit/extra", {"log_level": "debug"}, ".log_level: would take the place of livekit.log_level; use that"),
        ("sip/extra", {"nodeid": "NE_x"}, ".nodeid: has no effect: "),
        # C4: who decides it
        (
            "livekit/extra",
            {"rtc": {"use_external_ip": True}},
            ".rtc.use_external_ip: is set by livekit-metal; use hosts.NAME.public",
        ),
        (
            "livekit/extra",
            {"turn": {"enabled": False}},
            ".turn.enabled: is set by livekit-metal; use livekit.turn.enabled",
        ),
        (
            "livekit/extra",
            {"turn": {"allow_restricted_peer_cidrs": ["10.0.0.0/8"]}},
            ".turn.allow_restricted_peer_cidrs: is set by livekit-metal; use hosts.NAME.address",
        ),
        (
            "egress/extra",
            {"logging": {"json": False}},
            ".logging.json: is set by livekit-metal; leave it out: that a slot ",
        ),
        # C5: what no release knows
        ("sip/extra", {"flood_protection": {"x": 1}}, ".flood_protection: is not known to sip 1.11.0; remove it: "),
        (
            "egress/extra",
            {"template_bas": "x"},
            ".template_bas: is not known to egress 1.14.1; did you mean 'template_base'?",
        ),
        (
            "livekit/extra",
            {"rtc": {"turn_serverz": []}},
            ".rtc.turn_serverz: is not known to livekit-server 1.13.7; did you mean 'turn_servers'?",
        ),
        (
            "livekit/extra",
            {"rtc": {"turn_servers": [{"hots": "x"}]}},
            ".rtc.turn_servers[0].hots: is not known to livekit-server 1.13.7; did you mean 'host'?",
        ),
        ("livekit/extra", {"rtc.force_tcp": True}, ".rtc.force_tcp: is one name with dots in it; write it as nested "),
        # C6: what no daemon takes
        (
            "livekit/extra",
            {"node_selector": {"kind": "nosuch"}},
            ".node_selector.kind: is 'nosuch' (str); choose one of any, cpuload, sysload, regionaware, random",
        ),
        ("livekit/extra", {"room": {"create_room_timeout": 5}}, ".room.create_room_timeout: is 5 (int); write "),
        ("livekit/extra", {"room": {"create_room_timeout": "-5s"}}, ".room.create_room_timeout: is -5s; write "),
        (
            "livekit/extra",
            {"room": {"playout_delay": {"enabled": "yes"}}},
            ".room.playout_delay.enabled: is 'yes' (str); make it True or False",
        ),
        (
            "livekit/extra",
            {"room": {"enabled_codecs": "opus"}},
            ".room.enabled_codecs: is 'opus' (str); make it a list",
        ),
        ("livekit/extra", {"room": 5}, ".room: is 5 (int); make it a mapping"),
        ("livekit/extra", {"limit": {"max_metadata_size": -1}}, ".limit.max_metadata_size: is -1; choose 0 to 42"),
        (
            "egress/extra",
            {"cpu_cost": {"max_cpu_utilization": 2}},
            ".cpu_cost.max_cpu_utilization: is 2; choose a number above 0, up to 1",
        ),
        ("sip/extra", {"sip_ringing_interval": "2m"}, ".sip_ringing_interval: is 2m; choose 60s or less"),
        ("sip/extra", {"tcp": {"dial_port": "9-x"}}, ".tcp.dial_port: is '9-x' (str); write a port, or a range as "),
        # and by settings of ours
        ("livekit/room", {"empty_timeout": -1}, "livekit.room.empty_timeout: is -1; choose 0 to 42"),
        ("livekit/limits", {"num_tracks": -1}, "livekit.limits.num_tracks: is -1; choose 0 to 2147483647"),
        ("egress/limits", {"file_mb": -1}, "egress.limits.file_mb: is -1048576; choose 0 to "),
        # C7: clusters
        (
            "livekit/extra",
            {"redis": {"cluster_addresses": ["a:1"]}},
            ".redis: is set by livekit-metal; use redis.external",
        ),
    ],
)
def test_what_cannot_be_is_told(
    make_site: MakeSite, every: dict[str, Any], path: str, value: object, said: str
) -> None:
    put(every, path, value)
    with pytest.raises(SiteError) as error:
        make_site(every)
    wanted = path.replace("/", ".") + said if said.startswith(".") else said
    assert any(line.startswith(wanted) for line in str(error.value).splitlines()), str(error.value)
    assert len(error.value.problems) == 1
