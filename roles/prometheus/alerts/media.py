"""Recordings, streams, phone calls and jobs of agents that do not begin or are cut short.

Names of metrics: pkg/stats of each program. livekit_node_cpu_load is one of all three: select it by job.
"""

from livekit_metal.roles.prometheus.alerts.alert import DOCTOR, HOST_DOWN, REDIS_DOWN, STATUS, Alert, grown

_NONE = ("NoActiveSlot", REDIS_DOWN, HOST_DOWN, "InMaintenance")
_LOST = 'livekit_agents_jobs_lost_total{job=~"agents-.+"}'
# Counted by the watcher of the room's host, by fleet; no job is in both (roles/agents/on_host/lkm_rooms.py).
_DIED = 'livekit_agents_jobs_lost_total{job="redispatch"}'
_BAD = 'livekit_egress_handler_results_total{job="egress",result!~"completed|aborted"}'
_BY_FLEET = f"""label_replace({grown(_DIED, "15m", "host, fleet")}, "component", "agents-$1", "fleet", "(.+)")"""


def _invites(which: str) -> str:
    return grown(f"livekit_sip_invite_{which}", "15m", "host, dir")


# Whoever has to log in is told so at first, and that is counted too (processInvite of inbound.go).
_REFUSED = _invites('error{reason!="unauthorized"}')

MEDIA = (
    Alert(
        name="EgressRefusing",
        # About recordings by the browser alone: 0 for ever where egress has none (promCanAcceptRequest of pkg/stats).
        expr="""max by (host) (livekit_egress_can_accept_request{job="egress"}) == 0
and max by (host) (max_over_time(livekit_egress_can_accept_request{job="egress"}[1d])) == 1""",
        hold="5m",
        severity="page",
        summary="egress on {{ $labels.host }} takes no more recordings by the browser",
        consequence="New recordings go to other hosts, or fail with a site of one.",
        command=STATUS + " --limit {{ $labels.host }}",
        explained_by=_NONE,
    ),
    Alert(
        name="EgressFailing",
        expr=f"{grown(_BAD, '15m', 'host, type, result')} > 0",
        hold="0s",
        severity="ticket",
        summary="{{ $value | humanize }} recordings on {{ $labels.host }} ended with {{ $labels.result }}",
        consequence="These recordings are missing, or end early.",
        command="journalctl -u 'livekit-egress@*' --since -30m on {{ $labels.host }}",
        explained_by=(HOST_DOWN,),
    ),
    Alert(
        name="RecordingsNotUploaded",
        expr="""livekit_metal_kept_files{kind="backup"} > 0""",
        hold="10m",
        severity="ticket",
        summary="{{ $value }} files of recordings wait on {{ $labels.host }}",
        consequence="Applications do not find them in the store; nothing is lost while the host is there.",
        command="pyinfra INVENTORY procedures/reupload.py --limit {{ $labels.host }}",
    ),
    Alert(
        name="RecordingCutShort",
        expr="""livekit_metal_kept_files{kind="cut-short"} > 0""",
        hold="0s",
        severity="ticket",
        summary="{{ $value }} files on {{ $labels.host }} are of recordings that were cut short",
        consequence="What came after that moment was not recorded.",
        command=STATUS + " --limit {{ $labels.host }}",
    ),
    Alert(
        name="IngressRefusing",
        expr="""max by (host) (livekit_ingress_available{job="ingress"}) == 0""",
        hold="5m",
        severity="page",
        summary="ingress on {{ $labels.host }} takes no streams: its cores are busy",
        consequence="Encoders are turned away, or go to other hosts.",
        command=STATUS + " --limit {{ $labels.host }}",
        explained_by=_NONE,
    ),
    Alert(
        name="SipRefusing",
        expr="""max by (host) (livekit_sip_available) == 0""",
        hold="2m",
        severity="page",
        summary="{{ $labels.host }} takes no phone calls",
        consequence="Whoever phones hears that the line is busy.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=_NONE,
    ),
    Alert(
        name="PhoneCallsFailing",
        expr=f"100 * {_REFUSED}\n  / {_invites('requests')} > $join_failures\nand {_REFUSED} >= 3",
        hold="1m",
        severity="ticket",
        summary="{{ $value | humanize }} % of phone calls ({{ $labels.dir }}) on {{ $labels.host }} are refused",
        consequence="People cannot phone in, or are not called.",
        command=DOCTOR + " --limit {{ $labels.host }}",
        explained_by=("SipRefusing", *_NONE),
    ),
    Alert(
        name="AgentJobsLost",
        expr=f"{grown(_LOST, '15m', 'host, component')} > 0 or {_BY_FLEET} > 0",
        hold="0s",
        severity="ticket",
        summary='{{ $value | printf "%.0f" }} jobs of {{ $labels.component }} were lost; {{ $labels.host }} saw it',
        consequence="These people talk to nobody, unless agents.redispatch has sent them another agent.",
        command="journalctl -u 'livekit-{{ $labels.component }}@*' -u livekit-redispatch --since -30m "
        "on {{ $labels.host }}",
        explained_by=(HOST_DOWN,),
    ),
)
