"""What makes each alert fire, and what looks like it and does not: series in promtool's words, one value a minute.

`0+10x60` grows by 10 for 60 minutes, `1x60` stays. Labels are those of a running site.
"""

from __future__ import annotations

from dataclasses import dataclass

Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    firing: Series
    quiet: Series
    at: str = "30m"
    each: str = "1m"  # between values, and between evaluations


def _edge(name: str, **labels: str) -> str:
    said = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f'{name}{{host="lk1",job="edge",component="edge"{"," if said else ""}{said}}}'


def _node(name: str, labels: str = "") -> str:
    return f'{name}{{host="lk1",job="node",component="node"{"," if labels else ""}{labels}}}'


def _livekit(name: str, labels: str = "") -> str:
    of = 'host="lk1",job="livekit",component="livekit",slot="a",node_id="ND_x",node_type="SERVER"'
    return f"{name}{{{of}{',' if labels else ''}{labels}}}"


def _of(job: str, name: str, labels: str = "") -> str:
    return f'{name}{{host="lk1",job="{job}",component="{job}"{"," if labels else ""}{labels}}}'


def _answers(good: str, bad: str) -> Series:
    name = "haproxy_frontend_http_responses_total"
    return {_edge(name, proxy="http", code="2xx"): good, _edge(name, proxy="http", code="5xx"): bad}


def _joins(good: str, bad: str) -> Series:
    name = "livekit_participant_join_total"
    return {_livekit(name, 'state="rtc_success"'): good, _livekit(name, 'state="rtc_failure",warp="false"'): bad}


def _start(fast: str, all_of_them: str) -> Series:
    name, protocol = "livekit_session_start_time_ms", 'protocol_version="18"'
    buckets = {"1000": fast, "7196": all_of_them, "+Inf": all_of_them}
    found = {_livekit(f"{name}_bucket", f'{protocol},le="{le}"'): values for le, values in buckets.items()}
    return found | {_livekit(f"{name}_count", protocol): all_of_them}


def _mean(name: str, total: str, count: str) -> Series:
    of = 'direction="incoming",source="MICROPHONE",type="AUDIO",country=""'
    return {_livekit(f"{name}_sum", of): total, _livekit(f"{name}_count", of): count}


def _nacks(nacks: str, packets: str) -> Series:
    of = 'direction="outgoing",country=""'
    return {
        _livekit("livekit_nack_total", of): nacks,
        _livekit("livekit_packet_total", f'{of},transmission="initial"'): packets,
    }


def _slot(state: str) -> Series:
    up = {
        _edge("haproxy_server_status", proxy="livekit_a", server="local", state="UP"): state,
        _edge("haproxy_server_status", proxy="livekit_b", server="local", state="UP"): "0x60",
    }
    return up | {_node("livekit_metal_slot", 'daemon="livekit",slot="a",release="1.13.5-x",state="active"'): "1x60"}


def _serving(active: str, maintenance: str) -> Series:
    return {
        _node("livekit_metal_active_slots", 'daemon="livekit"'): active,
        _node("livekit_metal_maintenance"): maintenance,
    }


def _udp(errors: str) -> Series:
    found = {_node(f"node_netstat_{kind}_InDatagrams"): "0+60000x60" for kind in ("Udp", "Udp6")}
    return found | {
        _node("node_netstat_Udp_RcvbufErrors"): errors,
        _node("node_netstat_Udp6_RcvbufErrors"): "0x60",
    }


def _drain(deadline: str) -> Series:
    of = 'daemon="livekit",slot="b"'
    return {
        _node("livekit_metal_drain_began_seconds", of): "60x60",
        _node("livekit_metal_drain_deadline_seconds", of): deadline,
    }


def _change(result: str, locked: str) -> Series:
    return {
        _node("livekit_metal_last_change", f'result="{result}"'): "1x60",
        _node("livekit_metal_lock_held_since_seconds"): locked,
    }


def _calls(requests: str, refused: str) -> Series:
    return {
        _of("sip", "livekit_sip_invite_requests", 'dir="inbound"'): requests,
        _of("sip", "livekit_sip_invite_error", 'dir="inbound",reason="no-trunk"'): refused,
    }


def _prometheus(dropped: str, discovered: str) -> Series:
    of = 'instance="127.0.0.1:9090",job="prometheus"'
    return {
        f"prometheus_config_last_reload_successful{{{of}}}": "1x60",
        f"prometheus_notifications_dropped_total{{{of}}}": dropped,
        f"prometheus_notifications_alertmanagers_discovered{{{of}}}": discovered,
    }


def _ended(result: str) -> str:
    return _of("egress", "livekit_egress_handler_results_total", f'type="track",result="{result}"')


_FAILED = _node("node_systemd_unit_state", 'name="livekit-edge.service",state="failed",type="notify"')
_RESTARTS = _node("node_systemd_service_restart_total", 'name="livekit-server@a.service"')
_TIMEX = (_node("node_timex_offset_seconds"), _node("node_timex_sync_status"))
_REMOTE = 'prometheus_remote_storage_samples_failed_total{job="prometheus",url="https://tsdb.example"}'

CASES: dict[str, Case] = {
    "SignallingFailing": Case(_answers("0+98x60", "0+2x60"), _answers("0+9998x60", "0+2x60")),
    "JoinsFailing": Case(_joins("0+2x60", "0+1x60"), _joins("0+10x60", "0+1x60")),
    "JoinsSlow": Case(_start("0+5x60", "0+10x60"), _start("0+10x60", "0+10x60")),
    "PacketLoss": Case(
        _mean("livekit_packet_loss_percent", "0+600x60", "0+60x60"),
        _mean("livekit_packet_loss_percent", "0+60x60", "0+60x60"),
    ),
    "PacketsAskedForAgain": Case(_nacks("0+600x60", "0+6000x60"), _nacks("0+60x60", "0+6000x60")),
    "Jitter": Case(
        _mean("livekit_jitter_us", "0+6000000x60", "0+60x60"), _mean("livekit_jitter_us", "0+600000x60", "0+60x60")
    ),
    "TurnFailing": Case(
        {_edge("haproxy_backend_connection_errors_total", proxy="turn_a"): "0+1x60"},
        {_edge("haproxy_backend_connection_errors_total", proxy="metrics_livekit_b"): "0+4x60"},
    ),
    "NodeNotServing": Case(_slot("0x60"), _slot("1x60")),
    "NoActiveSlot": Case(_serving("0x60", "0x60"), _serving("0x60", "1x60")),
    "EgressRefusing": Case(
        {_of("egress", "livekit_egress_can_accept_request", 'slot="a"'): "0x60"},
        {
            _of("egress", "livekit_egress_can_accept_request", 'slot="a"'): "0x60",
            _of("egress", "livekit_egress_can_accept_request", 'slot="b"'): "1x60",
        },
    ),
    # that it did not exist before is how the first failure looks
    "EgressFailing": Case(
        {_ended("killed_oom"): "_x20 1x40"},
        {_ended("completed"): "0+1x60", _ended("killed_oom"): "1x60"},
    ),
    "RecordingsNotUploaded": Case(
        {_node("livekit_metal_kept_files", 'daemon="egress",kind="backup"'): "2x60"},
        {_node("livekit_metal_kept_files", 'daemon="egress",kind="backup"'): "0x60"},
    ),
    "RecordingCutShort": Case(
        {_node("livekit_metal_kept_files", 'daemon="egress",kind="cut-short"'): "1x60"},
        {_node("livekit_metal_kept_files", 'daemon="egress",kind="backup"'): "1x60"},
    ),
    "IngressRefusing": Case(
        {_of("ingress", "livekit_ingress_available", 'slot="a"'): "0x60"},
        {_of("ingress", "livekit_ingress_available", 'slot="a"'): "0x5 1x60"},
    ),
    "SipRefusing": Case(
        {_of("sip", "livekit_sip_available", 'slot="a"'): "0x60"},
        {_of("sip", "livekit_sip_available", 'slot="a"'): "1x60"},
    ),
    "PhoneCallsFailing": Case(_calls("0+4x60", "0+1x60"), _calls("0+40x60", "0+1x60")),
    "HostDown": Case(
        {_node("up"): "0x60", _edge("up"): "0x60"},
        {_node("up"): "0x60", _edge("up"): "1x60"},
    ),
    "TargetDown": Case({_livekit("up"): "1x5 0x60"}, {_livekit("up"): "1x60"}),
    "ServiceFailed": Case({_FAILED: "1x60"}, {_FAILED: "0x60"}),
    "ServiceRestarting": Case({_RESTARTS: "0+1x60"}, {_RESTARTS: "0x10 1x60"}),
    "UdpReceiveErrors": Case(_udp("0+600x60"), _udp("0+6x60")),
    "KernelDropsPackets": Case(
        {_node("node_softnet_dropped_total", 'cpu="0"'): "0+10x60"},
        {_node("node_softnet_dropped_total", 'cpu="0"'): "5x60"},
    ),
    "CpuBusy": Case(
        {_node("node_cpu_seconds_total", 'cpu="0",mode="idle"'): "0+6x60"},
        {_node("node_cpu_seconds_total", 'cpu="0",mode="idle"'): "0+30x60"},
    ),
    "EdgeFilling": Case(
        {
            _edge("haproxy_frontend_current_sessions", proxy="http"): "85x60",
            _edge("haproxy_frontend_limit_sessions", proxy="http"): "100x60",
        },
        {_edge("haproxy_process_current_connections"): "50x60", _edge("haproxy_process_max_connections"): "100x60"},
    ),
    "ConnectionTableFilling": Case(
        {_node("node_nf_conntrack_entries"): "90x60", _node("node_nf_conntrack_entries_limit"): "100x60"},
        {_node("node_nf_conntrack_entries"): "9x60", _node("node_nf_conntrack_entries_limit"): "100x60"},
    ),
    "DiskFilling": Case(
        {
            _node("node_filesystem_avail_bytes", 'device="/dev/vda",fstype="ext4",mountpoint="/"'): "5x60",
            _node("node_filesystem_size_bytes", 'device="/dev/vda",fstype="ext4",mountpoint="/"'): "100x60",
        },
        {
            _node("node_filesystem_avail_bytes", 'device="tmpfs",fstype="tmpfs",mountpoint="/tmp"'): "5x60",
            _node("node_filesystem_size_bytes", 'device="tmpfs",fstype="tmpfs",mountpoint="/tmp"'): "100x60",
        },
    ),
    "ClockWrong": Case({_TIMEX[0]: "-0.7x60", _TIMEX[1]: "1x60"}, {_TIMEX[0]: "0.01x60", _TIMEX[1]: "1x60"}),
    "CertificateEnds": Case(
        {_edge("livekit_edge_certificate_not_after_timestamp_seconds"): "864000x180"},
        {_edge("livekit_edge_certificate_not_after_timestamp_seconds"): "2592000x180"},
        at="2h",
    ),
    "RedisDown": Case({_of("redis", "redis_up"): "0x60"}, {_of("redis", "redis_up"): "1x60"}),
    "RedisNotPersisting": Case(
        {_of("redis", "redis_aof_last_write_status"): "0x60"}, {_of("redis", "redis_aof_last_write_status"): "1x60"}
    ),
    "RedisFilling": Case(
        {_of("redis", "redis_memory_used_bytes"): "90x60", _of("redis", "redis_memory_max_bytes"): "100x60"},
        {_of("redis", "redis_memory_used_bytes"): "90x60", _of("redis", "redis_memory_max_bytes"): "0x60"},
    ),
    "RedisRefusing": Case(
        {_of("redis", "redis_rejected_connections_total"): "0+1x60"},
        {_of("redis", "redis_rejected_connections_total"): "7x60"},
    ),
    # a host that has gone away in its maintenance is in it still
    "InMaintenance": Case(
        {_node("livekit_metal_maintenance"): "1x5"}, {_node("livekit_metal_maintenance"): "1x5 0x60"}
    ),
    "MaintenanceLong": Case(
        {_node("livekit_metal_maintenance_since_seconds"): "60x320"},
        {_node("livekit_metal_maintenance_since_seconds"): "0x320"},
        at="25h",
        each="5m",
    ),
    "DrainNearDeadline": Case(_drain("3000x60"), _drain("18000x60")),
    "DeployLockHeld": Case(
        {_node("livekit_metal_lock_held_since_seconds"): "60x90"},
        {_node("livekit_metal_lock_held_since_seconds"): "0x90"},
        at="80m",
    ),
    "DeployUnfinished": Case(_change("failed", "0x60"), _change("began", "60x60")),
    "OldCode": Case(
        {_node("livekit_metal_old_code", 'unit="livekit-redis.service"'): "1x2100"},
        {_node("livekit_metal_old_code", 'unit="livekit-redis.service"'): "1x1000 0x1100"},
        at="169h",
        each="5m",
    ),
    "HostMetricsOld": Case(
        {_node("node_textfile_mtime_seconds", 'file="/run/livekit-host-metrics/state.prom"'): "60x60"},
        {_node("node_textfile_mtime_seconds", 'file="/run/livekit-host-metrics/state.prom"'): "0+60x60"},
    ),
    "PrometheusFailing": Case(_prometheus("0+1x60", "1x60"), _prometheus("0+1x60", "0x60")),
    "RemoteWriteFailing": Case({_REMOTE: "0+5x60"}, {_REMOTE: "5x60"}),
    "AlertsNotDelivered": Case(
        {_of("alertmanager", "alertmanager_notifications_failed_total", 'integration="webhook"'): "0+1x60"},
        {_of("alertmanager", "alertmanager_notifications_failed_total", 'integration="webhook"'): "0x60"},
    ),
}
