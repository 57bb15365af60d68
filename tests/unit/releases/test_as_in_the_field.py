"""Configurations as people have them, from upstream's documentation: each loads, or every owner is named at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.site.model import Site

MakeSite = Callable[[dict[str, Any]], Site]

LOAD: dict[str, dict[str, Any]] = {
    # docs: config-sample.yaml, room; what homeservers of Matrix run with
    "rooms that an application makes": {
        "livekit": {
            "room": {"auto_create": False, "empty_timeout": 600, "departure_timeout": 30},
            "extra": {
                "room": {
                    "enabled_codecs": [{"mime": "audio/opus"}, {"mime": "audio/red"}, {"mime": "video/vp9"}],
                    "enable_remote_unmute": True,
                    "playout_delay": {"enabled": True, "min": 100, "max": 2000},
                    "sync_streams": True,
                },
                "limit": {"max_metadata_size": 65536, "max_participant_name_length": 128},
            },
        }
    },
    # docs: self-hosting/distributed, regions
    "regions": {
        "livekit": {
            "region": "eu-central",
            "extra": {
                "node_selector": {
                    "kind": "regionaware",
                    "sort_by": "sysload",
                    "sysload_limit": 0.7,
                    "regions": [
                        {"name": "eu-central", "lat": 50.11, "lon": 8.68},
                        {"name": "us-west-2", "lat": 44.19, "lon": -123.06},
                    ],
                }
            },
        }
    },
    # config-sample.yaml, rtc: a relay of one's own, no servers of others
    "coturn beside it": {
        "livekit": {
            "extra": {
                "rtc": {
                    "stun_servers": ["stun.example.org:3478"],
                    "turn_servers": [
                        {"host": "turn.example.org", "port": 443, "protocol": "tls", "secret_file": "/etc/turn-secret"}
                    ],
                    "allow_tcp_fallback": True,
                    "use_ice_lite": False,
                }
            }
        }
    },
    # config-sample.yaml: large rooms
    "large rooms": {
        "livekit": {
            "limits": {"num_tracks": 8000, "bytes_per_sec": 1e9, "subscription_limit_video": 25},
            "batch_size": 128,
            "extra": {
                "rtc": {
                    "packet_buffer_size_video": 500,
                    "pli_throttle": {"low_quality": "500ms", "mid_quality": "1s", "high_quality": "1s"},
                    "congestion_control": {"enabled": True, "allow_pause": False},
                    "forward_stats": {"summary_interval": "10s", "report_interval": "5s", "report_window": "1m"},
                },
                "node_selector": {"kind": "cpuload", "cpu_load_limit": 0.8, "algorithm": "twochoice"},
            },
        }
    },
    # docs: agents, webhooks, tracing
    "an application with agents": {
        "livekit": {
            "webhooks": ["https://app.example.org/livekit"],
            "extra": {
                "webhook": {"filter_params": {"include_events": ["room_started", "room_finished"]}},
                "agents": {"target_load": 0.5},
                "trace": {"jaeger_url": "jaeger.example.org:6831"},
                "logging": {"json": False, "sample": True, "component_levels": {"transport": "debug"}},
            },
        }
    },
    # docs: self-hosting/egress and ingress, Helm's values; docs: sip-server
    "small recordings, streams, phones": {
        "egress": {"extra": {"cpu_cost": {"track_cpu_cost": 0.25}}},
        "ingress": {"extra": {"enable_stream_latency_reduction": True, "rtc_config": {"use_mdns": False}}},
        "sip": {
            "extra": {
                "codecs": {"G722": False},
                "audio_dtmf": True,
                "symmetric_rtp": True,
                "media_timeout_initial": "60s",
            }
        },
    },
}

REFUSED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    # livekit/deploy: what its generator writes
    "a file from the generator": (
        {
            "livekit": {
                "extra": {
                    "port": 7880,
                    "bind_addresses": [""],
                    "rtc": {
                        "tcp_port": 7881,
                        "port_range_start": 50000,
                        "port_range_end": 60000,
                        "use_external_ip": True,
                    },
                    "redis": {"address": "localhost:6379"},
                    "turn": {"enabled": True, "domain": "turn.example.org", "tls_port": 5349, "udp_port": 3478},
                    "keys": {"APIabc": "secret"},
                }
            }
        },
        (
            "port: is set by livekit-metal; use livekit.signal",
            "bind_addresses: is set by livekit-metal; leave it out: it is reached through the edge",
            "rtc.tcp_port: is set by livekit-metal; use livekit.ice_tcp",
            "rtc.port_range_start: is set by livekit-metal; use livekit.media_udp",
            "rtc.port_range_end: is set by livekit-metal; use livekit.media_udp",
            "rtc.use_external_ip: is set by livekit-metal; use hosts.NAME.public",
            "redis: is set by livekit-metal; use redis.external",
            "turn.enabled: is set by livekit-metal; use livekit.turn.enabled",
            "turn.domain: is set by livekit-metal; use livekit.turn.domain",
            "turn.tls_port: opens a port, and every slot would try to have the same; use livekit.turn_tls",
            "turn.udp_port: is set by livekit-metal; use livekit.turn_udp",
            "keys: is not read: the keys are in a file of their own; use python -m procedures.secrets",
        ),
    ),
    # Helm's values of livekit-server, and the trap in config-sample.yaml
    "values of the Helm chart": (
        {
            "livekit": {
                "extra": {
                    "log_level": "debug",
                    "prometheus_port": 6789,
                    "debug_handler_port": 6060,
                    "turn": {"loadBalancerAnnotations": {}},
                }
            }
        },
        (
            "log_level: would take the place of livekit.log_level; use that",
            "prometheus_port: opens a port, and every slot would try to have the same; use livekit.metrics",
            "debug_handler_port: is not known to livekit-server 1.13.7; did you mean 'debug_handler'?",
            "turn.loadBalancerAnnotations: is not known to livekit-server 1.13.7; remove it",
        ),
    ),
    # the README of egress, whose keys are older than the program
    "the README of egress": (
        {"egress": {"extra": {"log_level": "info", "backup_storage": "/out", "health_port": 7777, "redis": {}}}},
        (
            "log_level: is not known to egress 1.14.1; remove it",
            "backup_storage: is not known to egress 1.14.1; ",
            "health_port: is set by livekit-metal; use egress.health",
            "redis: is set by livekit-metal; use redis.external",
        ),
    ),
    # docs: self-hosting/sip-server
    "the SIP server's page": (
        {
            "sip": {
                "extra": {"sip_port": 5060, "rtp_port": "10000-20000", "use_external_ip": True, "log_level": "debug"}
            }
        },
        (
            "sip_port: is set by livekit-metal; use sip.port",
            "rtp_port: is set by livekit-metal; use sip.rtp",
            "use_external_ip: is set by livekit-metal; use hosts.NAME.public",
            "log_level: is not known to sip 1.11.0; remove it",
        ),
    ),
}


def _with(every: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    for role, options in asked.items():
        every[role] = {**every.get(role, {}), **options}
    return every


@pytest.mark.parametrize("asked", LOAD.values(), ids=LOAD)
def test_it_loads_and_reaches_the_daemon(make_site: MakeSite, every: dict[str, Any], asked: dict[str, Any]) -> None:
    stack = make_site(_with(every, asked)).for_host("lk1")
    for role, options in asked.items():
        own: Any = getattr(stack, role)
        config = own.config(own.slots[0])
        for block, value in options["extra"].items():
            assert value == {k: config[block][k] for k in value} if isinstance(value, dict) else value == config[block]


@pytest.mark.parametrize(("asked", "said"), REFUSED.values(), ids=REFUSED)
def test_every_owner_is_named_at_once(
    make_site: MakeSite, every: dict[str, Any], asked: dict[str, Any], said: tuple[str, ...]
) -> None:
    with pytest.raises(SiteError) as error:
        make_site(_with(every, asked))
    lines, (role,) = [str(problem) for problem in error.value.problems], asked
    assert len(lines) == len(said), lines
    for line, wanted in zip(lines, said, strict=True):
        assert line.startswith(f"{role}.extra.{wanted}")
