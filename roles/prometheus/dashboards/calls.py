"""How calls are: what is lost, late, asked for again, and whether tracks come."""

from livekit_metal.roles.prometheus.dashboards.board import Board, Panel

_OF = 'job="livekit",host=~"$host"'
_INITIAL = ',transmission="initial"'


def _mean(metric: str, factor: str = "") -> tuple[tuple[str, str], ...]:
    """Of what a histogram has counted, by direction and kind of track."""
    by, rate = "sum by (direction, type)", f"{{{_OF}}}[$__rate_interval]"
    return ((f"{by} (rate({metric}_sum{rate})){factor} / {by} (rate({metric}_count{rate}))", "{{direction}} {{type}}"),)


def _rate(metric: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{_OF}{more}}}[$__rate_interval]))"


_FORWARD = f"sum by (le) (rate(livekit_forward_latency_ns_bucket{{{_OF}}}[$__rate_interval]))"

CALLS = Board(
    "calls",
    "call quality",
    panels=(
        Panel(
            "Packets lost",
            _mean("livekit_packet_loss_percent"),
            "percent",
            "incoming: on the way from who speaks; outgoing: to who listens, by their reports. Above 5 it is heard.",
        ),
        Panel(
            "Jitter",
            _mean("livekit_jitter_us", " / 1000"),
            "ms",
            "How unevenly packets come. Clients wait as long before they play.",
        ),
        Panel("Round trip", _mean("livekit_rtt_ms"), "ms", "Above 300 people talk at the same time."),
        Panel(
            "Packets out of order",
            _mean("livekit_packet_out_of_order_percent"),
            "percent",
            "More than a few: several paths, or a host whose cores are busy.",
        ),
        Panel(
            "Asked for again",
            (
                (
                    f"{_rate('livekit_nack_total', 'direction')} "
                    f"/ {_rate('livekit_packet_total', 'direction', _INITIAL)}",
                    "{{direction}}",
                ),
            ),
            "percentunit",
            "NACKs for each packet: loss as the receivers see it.",
        ),
        Panel(
            "Pictures asked for",
            (
                (_rate("livekit_pli_total", "direction"), "PLI {{direction}}"),
                (_rate("livekit_fir_total", "direction"), "FIR {{direction}}"),
            ),
            "ops",
            "Whoever lost too much asks for a whole picture: video stutters, and the sender's rate jumps.",
        ),
        Panel(
            "Packets",
            ((_rate("livekit_packet_total", "direction, transmission"), "{{direction}} {{transmission}}"),),
            "pps",
            "What is forwarded; retransmit beside initial is what loss costs.",
        ),
        Panel(
            "Within the server",
            (
                (f"histogram_quantile(0.5, {_FORWARD})", "half of all packets"),
                (f"histogram_quantile(0.99, {_FORWARD})", "99 of 100"),
            ),
            "ns",
            "From the socket that a packet came by to the one that it leaves by. Milliseconds: the cores are busy. "
            "Counted with rtc.forward_stats in livekit.extra.",
        ),
        Panel(
            "LiveKit's own mark",
            (
                (
                    f"sum by (host) (rate(livekit_quality_score_sum{{{_OF}}}[$__rate_interval])) "
                    f"/ sum by (host) (rate(livekit_quality_score_count{{{_OF}}}[$__rate_interval]))",
                    "{{host}}",
                ),
            ),
            "short",
            "Of tracks, from 1 to 5 (as a mean opinion score): the same as clients show.",
            most=5,
        ),
        Panel(
            "Tracks published",
            ((_rate("livekit_track_publish_counter", "kind, state"), "{{kind}} {{state}}"),),
            "ops",
            "attempt without success: somebody speaks and nobody hears it.",
        ),
        Panel(
            "Tracks subscribed",
            ((_rate("livekit_track_subscribe_counter", "state, error"), "{{state}} {{error}}"),),
            "ops",
            "failure: somebody hears or sees nothing, and why.",
        ),
        Panel(
            "Connections of media",
            ((_rate("livekit_peer_connection_state", "transport, state"), "{{transport}} {{state}}"),),
            "ops",
            "failed and disconnected without connected: a firewall in the way, or no TURN.",
        ),
        Panel(
            "Dropped on their way out",
            (
                (
                    f'sum by (host, type) (rate(livekit_node_packet_total{{{_OF},type="dropped"}}[$__rate_interval]))',
                    "{{host}}",
                ),
            ),
            "pps",
            "By the queue of the host's interface: the link is full.",
        ),
    ),
)
