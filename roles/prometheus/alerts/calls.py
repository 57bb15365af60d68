"""What callers notice themselves: they do not get in, do not hear each other, or hear each other badly.

Names of metrics: pkg/telemetry/prometheus of livekit-server 1.13.5 to 1.13.9. Newer ones have more labels (warp, sdk):
every rule sums by the labels that it needs. `node_id` is another one after each start.
"""

from livekit_metal.roles.prometheus.alerts.alert import DOCTOR, HOST_DOWN, REDIS_DOWN, STATUS, Alert, grown

_SERVING = ("NodeNotServing", "NoActiveSlot", REDIS_DOWN, HOST_DOWN)
_NETWORK = ("UdpReceiveErrors", "KernelDropsPackets", "CpuBusy", HOST_DOWN)


def _joins(states: str) -> str:
    return grown(f'livekit_participant_join_total{{job="livekit",state=~"{states}"}}', "10m", "host")


def _answers(code: str) -> str:
    of = f'job="edge",proxy="http",code=~"{code}"'
    return f"sum by (host) (increase(haproxy_frontend_http_responses_total{{{of}}}[5m]))"


def _mean(metric: str) -> str:
    """Of what a histogram has counted for five minutes, where that is more than a few values."""
    of = f'sum by (host, direction) (rate({metric}_{{}}{{{{job="livekit"}}}}[5m]))'
    return f"{of.format('sum')} / ({of.format('count')} > 0.1)"


CALLS = (
    Alert(
        name="SignallingFailing",
        expr=f"100 * {_answers('5xx')}\n  / {_answers('.xx')} > $errors\nand {_answers('5xx')} >= 5",
        hold="2m",
        severity="page",
        summary="{{ $labels.host }} answers {{ $value | humanize }} % of requests with an error of its own",
        consequence="Some clients cannot join, and applications cannot use the API.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=_SERVING,
    ),
    Alert(
        name="JoinsFailing",
        expr=f"100 * {_joins('rtc_failure|signal_failed')}\n  / {_joins('rtc_failure|rtc_success|signal_failed')}"
        f" > $join_failures\nand {_joins('rtc_failure|signal_failed')} >= 3",
        hold="1m",
        severity="page",
        summary="{{ $value | humanize }} % of joins on {{ $labels.host }} end without media",
        consequence="People see the room and get neither sound nor picture, or do not get in.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=("SignallingFailing", *_SERVING),
    ),
    Alert(
        name="JoinsSlow",
        expr="""histogram_quantile(0.95, sum by (host, le) (
    rate(livekit_session_start_time_ms_bucket{job="livekit"}[10m]))) / 1000 > $join_seconds
and sum by (host) (increase(livekit_session_start_time_ms_count{job="livekit"}[10m])) >= 10""",
        hold="5m",
        severity="ticket",
        summary="one in 20 joins on {{ $labels.host }} takes longer than {{ $value | humanize }} s",
        consequence="People wait for sound and picture, and reload the page.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=("JoinsFailing", "CpuBusy", *_SERVING),
    ),
    Alert(
        name="PacketLoss",
        expr=f"{_mean('livekit_packet_loss_percent')} > $loss",
        hold="5m",
        severity="ticket",
        summary="{{ $value | humanize }} % of {{ $labels.direction }} packets are lost at {{ $labels.host }}",
        consequence="Sound breaks and video freezes for most who are in calls there.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=_NETWORK,
    ),
    Alert(
        name="PacketsAskedForAgain",
        expr="""100 * sum by (host, direction) (rate(livekit_nack_total{job="livekit"}[5m]))
  / (sum by (host, direction) (rate(livekit_packet_total{job="livekit",transmission="initial"}[5m])) > 10) > $nacks""",
        hold="5m",
        severity="ticket",
        summary="{{ $value | humanize }} % of {{ $labels.direction }} packets are sent again at {{ $labels.host }}",
        consequence="Video stutters: what is asked for again comes late.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=("PacketLoss", *_NETWORK),
    ),
    Alert(
        name="Jitter",
        expr=f"{_mean('livekit_jitter_us')} / 1000 > $jitter_ms",
        hold="5m",
        severity="ticket",
        summary="{{ $labels.direction }} packets are {{ $value | humanize }} ms off at {{ $labels.host }}",
        consequence="Clients wait longer before they play: people talk at the same time.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=_NETWORK,
    ),
    Alert(
        name="TurnFailing",
        expr='sum by (host) (increase(haproxy_backend_connection_errors_total{job="edge",proxy=~"turn_.+"}[5m])) >= 3',
        hold="2m",
        severity="page",
        summary="{{ $labels.host }} could not pass {{ $value | humanize }} connections to TURN on in 5 minutes",
        consequence="People in networks that let out nothing but 443 have no media.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=_SERVING,
    ),
    Alert(
        name="NodeNotServing",
        # / of livekit-server is not 200 when its node has not heard from Redis for some seconds; HAProxy asks it
        expr="""livekit_metal_slot{daemon="livekit",state="active"}
unless on (host, slot) label_replace(
  haproxy_server_status{job="edge",proxy=~"livekit_.+",server="local",state="UP"} == 1,
  "slot", "$1", "proxy", "livekit_(.+)")""",
        hold="1m",
        severity="page",
        summary="slot {{ $labels.slot }} of {{ $labels.host }} is no node of the cluster, or does not answer",
        consequence="Nobody can join there, other hosts take new sessions; media of calls may go on.",
        command=STATUS + " --limit {{ $labels.host }}; journalctl -u livekit-server@{{ $labels.slot }} on the host",
        explained_by=(REDIS_DOWN, HOST_DOWN, "InMaintenance"),
    ),
    Alert(
        name="NoActiveSlot",
        expr="livekit_metal_active_slots == 0 unless on (host) livekit_metal_maintenance == 1",
        hold="2m",
        severity="page",
        summary="no slot of {{ $labels.daemon }} on {{ $labels.host }} takes new sessions",
        consequence="New calls, recordings, streams or phone calls go to other hosts, or nowhere on a site of one.",
        command="pyinfra INVENTORY deploy.py --limit {{ $labels.host }}",
        explained_by=(HOST_DOWN, "InMaintenance"),
    ),
)
