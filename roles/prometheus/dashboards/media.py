"""Recordings, streams and phone calls."""

from livekit_metal.roles.prometheus.alerts.alert import grown
from livekit_metal.roles.prometheus.dashboards.board import Board, Panel

_OF = 'host=~"$host"'


def _rate(metric: str, of: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{of}}}[$__rate_interval]))"


def _quantile(share: float, metric: str, of: str, by: str = "") -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', of, f'le{by}')})"


def _cores(metric: str) -> Panel:
    """Of the daemon that has ``metric``: what it says of the host has one name in all of them."""
    load = f"livekit_node_cpu_load{{{_OF}}} and on (host, job, slot) {metric}"
    return Panel(
        "Cores of the host",
        ((f"max by (host) ({load})", "{{host}}"),),
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
            ((f"sum by (host, type) (livekit_egress_requests{{{_OF}}})", "{{host}} {{type}}"),),
            "short",
            "What runs, by kind: a room is drawn by a browser and costs most.",
        ),
        Panel(
            "Takes one more",
            (
                (f"max by (host) (livekit_egress_can_accept_request{{{_OF}}})", "{{host}} by the browser"),
                (f"max by (host) (livekit_egress_available{{{_OF}}})", "{{host}} is idle"),
            ),
            "bool",
            "0 on every host: the next recording of a room or web page fails. Always 0 where there is no browser.",
        ),
        Panel(
            "How they ended",
            (
                (
                    grown(f"livekit_egress_handler_results_total{{{_OF}}}", "15m", "type, result"),
                    "{{type}} {{result}}",
                ),
            ),
            "short",
            "In 15 minutes. Anything but completed is a recording that is missing or ends early.",
        ),
        _cores("livekit_egress_available"),
        Panel(
            "Memory",
            (
                (
                    f"max by (host, slot) (livekit_egress_cgroup_memory_bytes{{{_OF}}})",
                    "{{host}} {{slot}} with browsers, or all of the host",
                ),
                (f"max by (host, slot) (livekit_egress_proc_rss_bytes{{{_OF}}})", "{{host}} {{slot}} alone"),
            ),
            "bytes",
            "At its bound the kernel ends a recording. Without a cgroup that it can read it counts the host.",
        ),
        Panel(
            "Uploads",
            (
                (
                    grown(f"livekit_egress_pipeline_uploads{{{_OF}}}", "15m", "type, status"),
                    "{{type}} {{status}}",
                ),
            ),
            "short",
            "To the store, in 15 minutes; is there while a recording runs.",
        ),
        Panel(
            "Until the store has it",
            ((_quantile(0.95, "livekit_egress_pipline_upload_response_time_ms", _OF, ", type"), "{{type}}"),),
            "ms",
            "Of 19 in 20 uploads (the name is upstream's).",
        ),
        Panel(
            "Files that wait here",
            (('sum by (host, kind) (livekit_metal_kept_files{host=~"$host"})', "{{host}} {{kind}}"),),
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
            ((f"sum by (host, type) (livekit_ingress_requests{{{_OF}}})", "{{host}} {{type}}"),),
            "short",
            "RTMP and WHIP from encoders, URLs that are fetched.",
        ),
        Panel(
            "Transcoded, and passed through",
            ((f"sum by (transcoding) (livekit_ingress_requests{{{_OF}}})", "transcoding {{transcoding}}"),),
            "short",
            "Transcoding costs cores, passing through next to none.",
        ),
        Panel(
            "Takes one more",
            ((f"max by (host) (livekit_ingress_available{{{_OF}}})", "{{host}}"),),
            "bool",
            "0 on every host: the next encoder is turned away.",
        ),
        _cores("livekit_ingress_available"),
        Panel(
            "From the encoder to the room",
            (
                (
                    _quantile(0.95, "livekit_ingress_packet_latency_seconds", _OF, ", track"),
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
            ((f"sum by (host, dir) (livekit_sip_calls_active{{{_OF}}})", "{{host}} {{dir}}"),),
            "short",
            "in: people phone in; out: they are called.",
        ),
        Panel(
            "Takes calls",
            ((f"max by (host) (livekit_sip_available{{{_OF}}})", "{{host}}"),),
            "bool",
            "0 on every host: whoever phones hears that the line is busy.",
        ),
        Panel(
            "Calls that came",
            (
                (_rate("livekit_sip_invite_requests", _OF, "dir"), "{{dir}}"),
                (_rate("livekit_sip_invite_accepted", _OF, "dir"), "{{dir}} accepted"),
            ),
            "ops",
            "Those that nobody accepted are refused, or rang until somebody hung up.",
        ),
        Panel(
            "Refused, and why",
            ((_rate("livekit_sip_invite_error", _OF, "dir, reason"), "{{dir}} {{reason}}"),),
            "ops",
            "no-trunk, no-rule: the inventory does not have the number. Scanners of the internet are among them.",
        ),
        Panel(
            "How calls ended",
            ((_rate("livekit_sip_calls_terminated", _OF, "dir, result, reason"), "{{dir}} {{result}} {{reason}}"),),
            "ops",
            "media-timeout: nothing came for a while, as after a change of networks.",
        ),
        Panel(
            "Until they were in the room",
            (
                (_quantile(0.5, "livekit_sip_dur_join_sec", _OF), "half of all"),
                (_quantile(0.95, "livekit_sip_dur_join_sec", _OF), "19 of 20"),
            ),
            "s",
            "From the call to sound.",
        ),
        Panel(
            "How long they talk",
            ((_quantile(0.5, "livekit_sip_dur_call_sec", _OF, ", dir"), "{{dir}}, half of all"),),
            "s",
            "A sudden fall: calls that are cut.",
        ),
        Panel(
            "Packets of sound",
            ((_rate("livekit_sip_packets_rtp", _OF, "dir, op"), "{{dir}} {{op}}"),),
            "pps",
            "50 a second for a call and direction; one direction alone is a firewall or NAT.",
        ),
    ),
)
