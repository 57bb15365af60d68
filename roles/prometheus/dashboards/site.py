"""The site at a glance, and its hosts."""

from livekit_metal.roles.prometheus.dashboards.board import Board, Panel

_JOINS = 'sum by (state) (rate(livekit_participant_join_total{job="livekit"}[$__rate_interval]))'
_BITS = '8 * sum by (direction) (rate(livekit_packet_bytes{job="livekit"}[$__rate_interval]))'
_HTTP = 'sum by (code) (rate(haproxy_frontend_http_responses_total{job="edge",proxy="http"}[$__rate_interval]))'
_START = 'sum by (le) (rate(livekit_session_start_time_ms_bucket{job="livekit"}[10m]))'

SITE = Board(
    "site",
    "site",
    of_hosts=False,
    panels=(
        Panel("Rooms", (('sum(livekit_room_total{job="livekit"})', "rooms"),), "short", "What runs now.", "stat", 6),
        Panel(
            "Participants",
            (('sum(livekit_participant_total{job="livekit"})', "participants"),),
            "short",
            "Who is in calls now.",
            "stat",
            6,
        ),
        Panel(
            "Alerts",
            (('count(ALERTS{alertstate="firing",severity!="none"}) or vector(0)', "firing"),),
            "short",
            "Anything but 0: docs/runbook.md.",
            "stat",
            6,
        ),
        Panel(
            "Hosts that take new sessions",
            (('sum(livekit_metal_active_slots{daemon="livekit"})', "hosts"),),
            "short",
            "Fewer than the site has: one is in maintenance, or has no slot that serves.",
            "stat",
            6,
        ),
        Panel(
            "Participants by host",
            (('sum by (host) (livekit_participant_total{job="livekit"})', "{{host}}"),),
            "short",
            "Whether the hosts share the load; a host that drains goes down.",
        ),
        Panel(
            "Rooms by host", (('sum by (host) (livekit_room_total{job="livekit"})', "{{host}}"),), "short", "As above."
        ),
        Panel(
            "Joins",
            ((_JOINS, "{{state}}"),),
            "ops",
            "Failed states beside successful ones: people who did not get in, or got in without media.",
        ),
        Panel(
            "From token to media",
            (
                (f"histogram_quantile(0.5, {_START})", "half of all joins"),
                (f"histogram_quantile(0.95, {_START})", "19 of 20"),
            ),
            "ms",
            "How long people wait until they hear somebody.",
        ),
        Panel("Media", ((_BITS, "{{direction}}"),), "bps", "What the network of the hosts carries for calls."),
        Panel(
            "Answers to clients",
            ((_HTTP, "{{code}}"),),
            "reqps",
            "5xx are ours: no node would take the session. 4xx are clients with a bad token, or scanners.",
        ),
        Panel(
            "Tracks",
            (
                ('sum by (kind) (livekit_track_published_total{job="livekit"})', "published {{kind}}"),
                ('sum by (kind) (livekit_track_subscribed_total{job="livekit"})', "subscribed {{kind}}"),
            ),
            "short",
            "Subscribed tracks are what costs: each is sent to one participant.",
        ),
        Panel(
            "Targets that are down",
            (('sum by (component) (up{host!=""} == bool 0)', "{{component}}"),),
            "short",
            "What Prometheus cannot ask: what breaks there is not seen.",
        ),
    ),
)

_HOST = 'host=~"$host"'
_BUSY = f'1 - avg by (host) (rate(node_cpu_seconds_total{{{_HOST},mode="idle"}}[$__rate_interval]))'
_LOST = 'mode=~"steal|iowait"'
_NIC = f'{_HOST},device!~"lo|veth.*|docker.*|br-.*"'


def _udp(kind: str) -> str:
    """Of IPv4 and IPv6."""
    both = (f"rate(node_netstat_{each}_{kind}{{{_HOST}}}[$__rate_interval])" for each in ("Udp", "Udp6"))
    return "sum by (host) (" + " + ".join(both) + ")"


HOST = Board(
    "host",
    "hosts",
    panels=(
        Panel(
            "Processors",
            ((_BUSY, "{{host}}"),),
            "percentunit",
            "From about 0.7 LiveKit gives rooms to other hosts; before 1.0 packets wait.",
            most=1,
        ),
        Panel(
            "Stolen, and waiting for a disk",
            (
                (
                    f"sum by (host, mode) (rate(node_cpu_seconds_total{{{_HOST},{_LOST}}}[$__rate_interval]))",
                    "{{host}} {{mode}}",
                ),
            ),
            "short",
            "Cores that the machine below gave to somebody else: sound breaks though nothing here is busy.",
        ),
        Panel(
            "Memory in use",
            (
                (
                    f"1 - node_memory_MemAvailable_bytes{{{_HOST}}} / node_memory_MemTotal_bytes{{{_HOST}}}",
                    "{{host}}",
                ),
            ),
            "percentunit",
            "Near 1 the kernel ends a process.",
            most=1,
        ),
        Panel(
            "Disks in use",
            (
                (
                    f'1 - node_filesystem_avail_bytes{{{_HOST},fstype!~"tmpfs|ramfs"}} '
                    f'/ node_filesystem_size_bytes{{{_HOST},fstype!~"tmpfs|ramfs"}}',
                    "{{host}} {{mountpoint}}",
                ),
            ),
            "percentunit",
            "At 1 recordings end and Redis refuses writes.",
            most=1,
        ),
        Panel(
            "Network",
            (
                (
                    f"8 * sum by (host) (rate(node_network_receive_bytes_total{{{_NIC}}}[$__rate_interval]))",
                    "{{host}} in",
                ),
                (
                    f"8 * sum by (host) (rate(node_network_transmit_bytes_total{{{_NIC}}}[$__rate_interval]))",
                    "{{host}} out",
                ),
            ),
            "bps",
            "Against what the link, or the contract, allows.",
        ),
        Panel(
            "Datagrams",
            ((_udp("InDatagrams"), "{{host}} in"), (_udp("OutDatagrams"), "{{host}} out")),
            "pps",
            "Media. What a core forwards: docs/operations/sizing.md.",
        ),
        Panel(
            "Datagrams dropped here",
            ((_udp("RcvbufErrors"), "{{host}} no buffer"), (_udp("InErrors"), "{{host}} all errors")),
            "pps",
            "For want of a receive buffer: the process is too slow, or the buffers are (kernel.*). None is fine.",
        ),
        Panel(
            "Packets dropped by the kernel",
            ((f"sum by (host) (rate(node_softnet_dropped_total{{{_HOST}}}[$__rate_interval]))", "{{host}}"),),
            "pps",
            "Before they came to a socket.",
        ),
        Panel(
            "Connections that the firewall follows",
            (
                (
                    f"node_nf_conntrack_entries{{{_HOST}}} / node_nf_conntrack_entries_limit{{{_HOST}}}",
                    "{{host}}",
                ),
            ),
            "percentunit",
            "At 1 packets of newcomers are dropped.",
            most=1,
        ),
        Panel(
            "Connections at the edge",
            ((f'haproxy_process_current_connections{{job="edge",{_HOST}}}', "{{host}}"),),
            "short",
            "WebSockets of everybody in a call, and their requests.",
        ),
        Panel(
            "Clock",
            ((f"node_timex_offset_seconds{{{_HOST}}}", "{{host}}"),),
            "s",
            "At 5 s nodes take each other for dead; before that tokens are refused.",
        ),
        Panel(
            "Redis: memory, and its bound",
            (
                (f"redis_memory_used_bytes{{{_HOST}}}", "{{host}} used"),
                (f"redis_memory_max_bytes{{{_HOST}}}", "{{host}} bound"),
            ),
            "bytes",
            "At the bound it refuses writes: nobody can join.",
        ),
        Panel(
            "Redis: commands",
            ((f"sum by (host) (rate(redis_commands_processed_total{{{_HOST}}}[$__rate_interval]))", "{{host}}"),),
            "ops",
            "The bus of the cluster: joins, recordings, phone calls.",
        ),
        Panel(
            "Services that ended by themselves",
            (
                (
                    f"sum by (host, name) (increase(node_systemd_service_restart_total{{{_HOST}}}[15m])) > 0",
                    "{{host}} {{name}}",
                ),
            ),
            "short",
            "systemd started them again; whoever was on them was cut off. Empty is well.",
        ),
    ),
)
