"""Recordings, streams and phone calls."""

from livekit_metal.roles.prometheus.dashboards.board import Board, Panel

_EGRESS, _INGRESS, _SIP = (f'job="{job}",host=~"$host"' for job in ("egress", "ingress", "sip"))


def _rate(metric: str, of: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{of}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, of: str, by: str = "") -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', of, f'le{by}')})"


def _cores(of: str) -> Panel:
    return Panel(
        "Cores of the host",
        ((f"max by (host) (livekit_node_cpu_load{{{of}}})", "{{host}}"),),
        "percentunit",
        "As the daemon sees it when it decides whether to take one more.",
        most=1,
    )


RECORDINGS = Board(
    "recordings",
    "recordings",
    panels=(
        Panel(
            "Recordings now",
            ((f"sum by (host, type) (livekit_egress_requests{{{_EGRESS}}})", "{{host}} {{type}}"),),
            "short",
            "What runs, by kind: a room is drawn by a browser and costs most.",
        ),
        Panel(
            "Takes one more",
            (
                (f"max by (host) (livekit_egress_can_accept_request{{{_EGRESS}}})", "{{host}}"),
                (f"max by (host) (livekit_egress_available{{{_EGRESS}}})", "{{host}} is idle"),
            ),
            "bool",
            "0 on every host: the next recording fails.",
        ),
        Panel(
            "How they ended",
            (
                (
                    f"sum by (type, result) (increase(livekit_egress_handler_results_total{{{_EGRESS}}}[15m]))",
                    "{{type}} {{result}}",
                ),
            ),
            "short",
            "In 15 minutes. Anything but completed is a recording that is missing or ends early.",
        ),
        _cores(_EGRESS),
        Panel(
            "Memory",
            (
                (
                    f"max by (host, slot) (livekit_egress_cgroup_memory_bytes{{{_EGRESS}}})",
                    "{{host}} {{slot}} with browsers",
                ),
                (f"max by (host, slot) (livekit_egress_proc_rss_bytes{{{_EGRESS}}})", "{{host}} {{slot}} alone"),
            ),
            "bytes",
            "At its bound the kernel ends a recording.",
        ),
        Panel(
            "Uploads",
            (
                (
                    f"sum by (type, status) (increase(livekit_egress_pipeline_uploads{{{_EGRESS}}}[15m]))",
                    "{{type}} {{status}}",
                ),
            ),
            "short",
            "To the store, in 15 minutes; is there while a recording runs.",
        ),
        Panel(
            "Until the store has it",
            ((_quantile(0.95, "livekit_egress_pipline_upload_response_time_ms", _EGRESS, ", type"), "{{type}}"),),
            "ms",
            "Of 19 in 20 uploads (the name is upstream's).",
        ),
        Panel(
            "Files that wait here",
            (('sum by (host, kind) (livekit_metal_kept_files{daemon="egress",host=~"$host"})', "{{host}} {{kind}}"),),
            "short",
            "backup: the store did not take them; procedures/reupload.py. cut-short: the host went down under them.",
        ),
    ),
)

STREAMS = Board(
    "streams",
    "streams",
    panels=(
        Panel(
            "Streams now",
            ((f"sum by (host, type) (livekit_ingress_requests{{{_INGRESS}}})", "{{host}} {{type}}"),),
            "short",
            "RTMP and WHIP from encoders, URLs that are fetched.",
        ),
        Panel(
            "Transcoded, and passed through",
            ((f"sum by (transcoding) (livekit_ingress_requests{{{_INGRESS}}})", "transcoding {{transcoding}}"),),
            "short",
            "Transcoding costs cores, passing through next to none.",
        ),
        Panel(
            "Takes one more",
            ((f"max by (host) (livekit_ingress_available{{{_INGRESS}}})", "{{host}}"),),
            "bool",
            "0 on every host: the next encoder is turned away.",
        ),
        _cores(_INGRESS),
        Panel(
            "From the encoder to the room",
            (
                (
                    _quantile(0.95, "livekit_ingress_packet_latency_seconds", _INGRESS, ", track"),
                    "{{track}}, 19 of 20 packets",
                ),
            ),
            "s",
            "Grows when the host cannot keep up.",
        ),
    ),
)

PHONES = Board(
    "phones",
    "phone calls",
    panels=(
        Panel(
            "Calls now",
            ((f"sum by (host, dir) (livekit_sip_calls_active{{{_SIP}}})", "{{host}} {{dir}}"),),
            "short",
            "inbound: people phone in; outbound: are called.",
        ),
        Panel(
            "Takes calls",
            ((f"max by (host) (livekit_sip_available{{{_SIP}}})", "{{host}}"),),
            "bool",
            "0 on every host: whoever phones hears that the line is busy.",
        ),
        Panel(
            "Calls that came",
            (
                (_rate("livekit_sip_invite_requests", _SIP, "dir"), "{{dir}}"),
                (_rate("livekit_sip_invite_accepted", _SIP, "dir"), "{{dir}} accepted"),
            ),
            "ops",
            "Those that nobody accepted are refused, or rang until somebody hung up.",
        ),
        Panel(
            "Refused, and why",
            ((_rate("livekit_sip_invite_error", _SIP, "dir, reason"), "{{dir}} {{reason}}"),),
            "ops",
            "no-trunk, no-rule: the inventory does not have the number. Scanners of the internet are among them.",
        ),
        Panel(
            "How calls ended",
            ((_rate("livekit_sip_calls_terminated", _SIP, "dir, result, reason"), "{{dir}} {{result}} {{reason}}"),),
            "ops",
            "media-timeout: nothing came for a while, as after a change of networks.",
        ),
        Panel(
            "Until they were in the room",
            (
                (_quantile(0.5, "livekit_sip_dur_join_sec", _SIP), "half of all"),
                (_quantile(0.95, "livekit_sip_dur_join_sec", _SIP), "19 of 20"),
            ),
            "s",
            "From the call to sound.",
        ),
        Panel(
            "How long they talk",
            ((_quantile(0.5, "livekit_sip_dur_call_sec", _SIP, ", dir"), "{{dir}}, half of all"),),
            "s",
            "A sudden fall: calls that are cut.",
        ),
        Panel(
            "Packets of sound",
            ((_rate("livekit_sip_packets_rtp", _SIP, "dir, op"), "{{dir}} {{op}}"),),
            "pps",
            "50 a second for a call and direction; one direction alone is a firewall or NAT.",
        ),
    ),
)
