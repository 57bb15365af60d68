"""What makes each alert fire, and what looks like it and does not: series in promtool's words, one value a minute.

`0+10x60` grows by 10 for 60 minutes, `1x60` stays. Labels are those of a running site.
"""

from __future__ import annotations

from tests.render.alerts.series import (
    Case,
    answers,
    calls,
    change,
    drain,
    edge,
    ended,
    joins,
    livekit,
    mean,
    nacks,
    node,
    of,
    prometheus,
    serving,
    slot,
    start,
    udp,
)

_FAILED = node("node_systemd_unit_state", 'name="livekit-edge.service",state="failed",type="notify"')
_KILLED = node("node_systemd_unit_state", 'name="livekit-server@b.service",state="failed",type="exec"')
_RESTARTS = node("node_systemd_service_restart_total", 'name="livekit-server@a.service"')
_TIMEX = (node("node_timex_offset_seconds"), node("node_timex_sync_status"))
_REMOTE = 'prometheus_remote_storage_samples_failed_total{job="prometheus",url="https://tsdb.example"}'

CASES: dict[str, Case] = {
    "SignallingFailing": Case(answers("0+98x60", "0+2x60"), answers("0+9998x60", "0+2x60")),
    # a burst, where there was no failure before
    "JoinsFailing": Case(joins("0+2x60", "_x25 12x35"), joins("0+10x60", "0+1x60")),
    "JoinsSlow": Case(start("0+5x60", "0+10x60"), start("0+10x60", "0+10x60")),
    "PacketLoss": Case(
        mean("livekit_packet_loss_percent", "0+600x60", "0+60x60"),
        mean("livekit_packet_loss_percent", "0+60x60", "0+60x60"),
    ),
    "PacketsAskedForAgain": Case(nacks("0+600x60", "0+6000x60"), nacks("0+60x60", "0+6000x60")),
    "Jitter": Case(
        mean("livekit_jitter_us", "0+6000000x60", "0+60x60"), mean("livekit_jitter_us", "0+600000x60", "0+60x60")
    ),
    "TurnFailing": Case(
        {edge("haproxy_backend_connection_errors_total", proxy="turn_a"): "0+1x60"},
        {edge("haproxy_backend_connection_errors_total", proxy="metrics_livekit_b"): "0+4x60"},
    ),
    "NodeNotServing": Case(slot("0x60"), slot("1x60")),
    "NoActiveSlot": Case(serving("0x60", "0x60"), serving("0x60", "1x60")),
    "EgressRefusing": Case(
        {of("egress", "livekit_egress_can_accept_request", 'slot="a"'): "1x5 0x60"},
        {
            of("egress", "livekit_egress_can_accept_request", 'slot="a"'): "1x5 0x60",
            of("egress", "livekit_egress_can_accept_request", 'slot="b"'): "1x65",
            # a host without a browser
            of("egress", "livekit_egress_can_accept_request", 'slot="a"').replace("lk1", "lk2"): "0x65",
        },
    ),
    # that it did not exist before is how the first failure looks
    "EgressFailing": Case(
        {ended("killed_oom"): "_x20 1x40"},
        {ended("completed"): "0+1x60", ended("killed_oom"): "1x60"},
    ),
    "RecordingsNotUploaded": Case(
        {node("livekit_metal_kept_files", 'daemon="egress",kind="backup"'): "2x60"},
        {node("livekit_metal_kept_files", 'daemon="egress",kind="backup"'): "0x60"},
    ),
    "RecordingCutShort": Case(
        {node("livekit_metal_kept_files", 'daemon="egress",kind="cut-short"'): "1x60"},
        {node("livekit_metal_kept_files", 'daemon="egress",kind="backup"'): "1x60"},
    ),
    "IngressRefusing": Case(
        {of("ingress", "livekit_ingress_available", 'slot="a"'): "0x60"},
        {of("ingress", "livekit_ingress_available", 'slot="a"'): "0x5 1x60"},
    ),
    "SipRefusing": Case(
        {of("sip", "livekit_sip_available", 'slot="a"'): "0x60"},
        {of("sip", "livekit_sip_available", 'slot="a"'): "1x60"},
    ),
    # a worker that was killed has counted what it lost when it is first asked again
    "AgentJobsLost": Case(
        {of("agents-echo", "livekit_agents_jobs_lost_total", 'slot="a"'): "3x20 2x40"},
        {
            of("redispatch", "livekit_agents_jobs_lost_total", 'fleet="echo"'): "2x60",
            of("agents-echo", "livekit_agents_jobs_lost_total", 'slot="a"'): "3x60",
            of("agents-echo", "livekit_agents_jobs_lost_total", 'slot="b"'): "_x20 0x40",
            of("agents-echo", "livekit_agents_jobs_taken_total", 'slot="a"'): "0+1x60",
        },
    ),
    "PhoneCallsFailing": Case(
        calls("0+4x60", "_x20 20x40"),
        # each of these phones is told once to log in
        calls("0+40x60", "0+1x60")
        | {of("sip", "livekit_sip_invite_error", 'dir="in",reason="unauthorized"'): "0+20x60"},
    ),
    "HostDown": Case(
        {node("up"): "0x60", edge("up"): "0x60"},
        {node("up"): "0x60", edge("up"): "1x60"},
    ),
    "TargetDown": Case({livekit("up"): "1x5 0x60"}, {livekit("up"): "1x60"}),
    "ServiceFailed": Case({_FAILED: "1x60"}, {_FAILED: "0x60", _KILLED: "1x60"}),
    "ServiceRestarting": Case({_RESTARTS: "0+1x60"}, {_RESTARTS: "0x10 1x60"}),
    "UdpReceiveErrors": Case(udp("0+600x60"), udp("0+6x60")),
    "KernelDropsPackets": Case(
        {node("node_softnet_dropped_total", 'cpu="0"'): "0+10x60"},
        {node("node_softnet_dropped_total", 'cpu="0"'): "5x60"},
    ),
    "CpuBusy": Case(
        {node("node_cpu_seconds_total", 'cpu="0",mode="idle"'): "0+6x60"},
        {node("node_cpu_seconds_total", 'cpu="0",mode="idle"'): "0+30x60"},
    ),
    "EdgeFilling": Case(
        {
            edge("haproxy_frontend_current_sessions", proxy="http"): "85x60",
            edge("haproxy_frontend_limit_sessions", proxy="http"): "100x60",
        },
        {edge("haproxy_process_current_connections"): "50x60", edge("haproxy_process_max_connections"): "100x60"},
    ),
    "ConnectionTableFilling": Case(
        {node("node_nf_conntrack_entries"): "90x60", node("node_nf_conntrack_entries_limit"): "100x60"},
        {node("node_nf_conntrack_entries"): "9x60", node("node_nf_conntrack_entries_limit"): "100x60"},
    ),
    "DiskFilling": Case(
        {
            node("node_filesystem_avail_bytes", 'device="/dev/vda",fstype="ext4",mountpoint="/"'): "5x60",
            node("node_filesystem_size_bytes", 'device="/dev/vda",fstype="ext4",mountpoint="/"'): "100x60",
        },
        {
            node("node_filesystem_avail_bytes", 'device="tmpfs",fstype="tmpfs",mountpoint="/tmp"'): "5x60",
            node("node_filesystem_size_bytes", 'device="tmpfs",fstype="tmpfs",mountpoint="/tmp"'): "100x60",
        },
    ),
    "ClockWrong": Case({_TIMEX[0]: "-0.7x60", _TIMEX[1]: "1x60"}, {_TIMEX[0]: "0.01x60", _TIMEX[1]: "1x60"}),
    "CertificateEnds": Case(
        {edge("livekit_edge_certificate_not_after_timestamp_seconds"): "864000x180"},
        {edge("livekit_edge_certificate_not_after_timestamp_seconds"): "2592000x180"},
        at="2h",
    ),
    "RedisDown": Case({of("redis", "redis_up"): "0x60"}, {of("redis", "redis_up"): "1x60"}),
    "RedisNotPersisting": Case(
        {of("redis", "redis_aof_last_write_status"): "0x60"}, {of("redis", "redis_aof_last_write_status"): "1x60"}
    ),
    "RedisFilling": Case(
        {of("redis", "redis_memory_used_bytes"): "90x60", of("redis", "redis_memory_max_bytes"): "100x60"},
        {of("redis", "redis_memory_used_bytes"): "90x60", of("redis", "redis_memory_max_bytes"): "0x60"},
    ),
    "RedisRefusing": Case(
        {of("redis", "redis_rejected_connections_total"): "0+1x60"},
        {of("redis", "redis_rejected_connections_total"): "7x60"},
    ),
    # a host that has gone away in its maintenance is in it still
    "InMaintenance": Case({node("livekit_metal_maintenance"): "1x5"}, {node("livekit_metal_maintenance"): "1x5 0x60"}),
    "MaintenanceLong": Case(
        {node("livekit_metal_maintenance_since_seconds"): "60x320"},
        {node("livekit_metal_maintenance_since_seconds"): "0x320"},
        at="25h",
        each="5m",
    ),
    "DrainNearDeadline": Case(drain("3000x60"), drain("18000x60")),
    "DeployLockHeld": Case(
        {node("livekit_metal_lock_held_since_seconds"): "60x90"},
        {node("livekit_metal_lock_held_since_seconds"): "0x90"},
        at="80m",
    ),
    "DeployUnfinished": Case(change("failed", "0x60"), change("began", "60x60")),
    "OldCode": Case(
        {node("livekit_metal_old_code", 'unit="livekit-redis.service"'): "1x2100"},
        {node("livekit_metal_old_code", 'unit="livekit-redis.service"'): "1x1000 0x1100"},
        at="169h",
        each="5m",
    ),
    "HostMetricsOld": Case(
        {node("node_textfile_mtime_seconds", 'file="/run/livekit-host-metrics/state.prom"'): "60x60"},
        {node("node_textfile_mtime_seconds", 'file="/run/livekit-host-metrics/state.prom"'): "0+60x60"},
    ),
    "PrometheusFailing": Case(prometheus("0+1x60", "1x60"), prometheus("0+1x60", "0x60")),
    "RemoteWriteFailing": Case({_REMOTE: "0+5x60"}, {_REMOTE: "5x60"}),
    "AlertsNotDelivered": Case(
        {of("alertmanager", "alertmanager_notifications_failed_total", 'integration="webhook"'): "0+1x60"},
        {of("alertmanager", "alertmanager_notifications_failed_total", 'integration="webhook"'): "0x60"},
    ),
}
