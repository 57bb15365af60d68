"""Series as a running site has them, in promtool's words: a name with labels, and values."""

from __future__ import annotations

from dataclasses import dataclass

Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    firing: Series
    quiet: Series
    at: str = "30m"
    each: str = "1m"  # between values, and between evaluations


def edge(name: str, **labels: str) -> str:
    said = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f'{name}{{host="lk1",job="edge",component="edge"{"," if said else ""}{said}}}'


def node(name: str, labels: str = "") -> str:
    return f'{name}{{host="lk1",job="node",component="node"{"," if labels else ""}{labels}}}'


def livekit(name: str, labels: str = "") -> str:
    of = 'host="lk1",job="livekit",component="livekit",slot="a",node_id="ND_x",node_type="SERVER"'
    return f"{name}{{{of}{',' if labels else ''}{labels}}}"


def of(job: str, name: str, labels: str = "") -> str:
    return f'{name}{{host="lk1",job="{job}",component="{job}"{"," if labels else ""}{labels}}}'


def answers(good: str, bad: str) -> Series:
    name = "haproxy_frontend_http_responses_total"
    return {edge(name, proxy="http", code="2xx"): good, edge(name, proxy="http", code="5xx"): bad}


def joins(good: str, bad: str) -> Series:
    name = "livekit_participant_join_total"
    return {livekit(name, 'state="rtc_success"'): good, livekit(name, 'state="rtc_failure",warp="false"'): bad}


def start(fast: str, all_of_them: str) -> Series:
    name, protocol = "livekit_session_start_time_ms", 'protocol_version="18"'
    buckets = {"1000": fast, "7196": all_of_them, "+Inf": all_of_them}
    found = {livekit(f"{name}_bucket", f'{protocol},le="{le}"'): values for le, values in buckets.items()}
    return found | {livekit(f"{name}_count", protocol): all_of_them}


def mean(name: str, total: str, count: str) -> Series:
    of = 'direction="incoming",source="MICROPHONE",type="AUDIO",country=""'
    return {livekit(f"{name}_sum", of): total, livekit(f"{name}_count", of): count}


def nacks(nacks: str, packets: str) -> Series:
    of = 'direction="outgoing",country=""'
    return {
        livekit("livekit_nack_total", of): nacks,
        livekit("livekit_packet_total", f'{of},transmission="initial"'): packets,
    }


def slot(state: str) -> Series:
    up = {
        edge("haproxy_server_status", proxy="livekit_a", server="local", state="UP"): state,
        edge("haproxy_server_status", proxy="livekit_b", server="local", state="UP"): "0x60",
    }
    return up | {node("livekit_metal_slot", 'daemon="livekit",slot="a",release="1.13.5-x",state="active"'): "1x60"}


def serving(active: str, maintenance: str) -> Series:
    return {
        node("livekit_metal_active_slots", 'daemon="livekit"'): active,
        node("livekit_metal_maintenance"): maintenance,
    }


def udp(errors: str) -> Series:
    found = {node(f"node_netstat_{kind}_InDatagrams"): "0+60000x60" for kind in ("Udp", "Udp6")}
    return found | {
        node("node_netstat_Udp_RcvbufErrors"): errors,
        node("node_netstat_Udp6_RcvbufErrors"): "0x60",
    }


def drain(deadline: str) -> Series:
    of = 'daemon="livekit",slot="b"'
    return {
        node("livekit_metal_drain_began_seconds", of): "60x60",
        node("livekit_metal_drain_deadline_seconds", of): deadline,
    }


def change(result: str, locked: str) -> Series:
    return {
        node("livekit_metal_last_change", f'result="{result}"'): "1x60",
        node("livekit_metal_lock_held_since_seconds"): locked,
    }


def calls(requests: str, refused: str) -> Series:
    return {
        of("sip", "livekit_sip_invite_requests", 'dir="in"'): requests,
        of("sip", "livekit_sip_invite_error", 'dir="in",reason="no-trunk"'): refused,
    }


def prometheus(dropped: str, discovered: str) -> Series:
    of = 'instance="127.0.0.1:9090",job="prometheus"'
    return {
        f"prometheus_config_last_reload_successful{{{of}}}": "1x60",
        f"prometheus_notifications_dropped_total{{{of}}}": dropped,
        f"prometheus_notifications_alertmanagers_discovered{{{of}}}": discovered,
    }


def ended(result: str) -> str:
    return of("egress", "livekit_egress_handler_results_total", f'type="track",result="{result}"')
