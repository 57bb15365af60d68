"""What deploys leave to do, and those who watch: Prometheus, Alertmanager, our own metrics."""

from livekit_metal.roles.prometheus.alerts.alert import HOST_DOWN, IN_MAINTENANCE, STATUS, Alert

DEAD_MAN = "DeadMansSwitch"
_SLOT = "slot {{ $labels.slot }} of {{ $labels.daemon }} on {{ $labels.host }}"

DEPLOYS = (
    Alert(
        name=IN_MAINTENANCE,
        # what was known of a host that is being rebooted
        expr="last_over_time(livekit_metal_maintenance[6h]) == 1",
        hold="0s",
        severity="none",
        summary="{{ $labels.host }} is out of service on purpose",
        consequence="None: other hosts take new sessions. It keeps other alerts about the host quiet.",
        command=STATUS + " --limit {{ $labels.host }}",
    ),
    Alert(
        name="MaintenanceLong",
        expr="(time() - livekit_metal_maintenance_since_seconds) / 3600 > $maintenance_hours "
        "and livekit_metal_maintenance_since_seconds > 0",
        hold="5m",
        severity="ticket",
        summary="{{ $labels.host }} has been out of service for {{ $value | humanize }} hours",
        consequence="The other hosts carry its share.",
        command="pyinfra INVENTORY procedures/drain.py --limit {{ $labels.host }} --data back=yes",
    ),
    Alert(
        name="DrainNearDeadline",
        # with a short deadline, not before half of it is over
        expr="livekit_metal_drain_deadline_seconds - time() < 60 * $drain_minutes and time() "
        "> (livekit_metal_drain_deadline_seconds + livekit_metal_drain_began_seconds) / 2",
        hold="0s",
        severity="ticket",
        summary=_SLOT + " is killed in {{ $value | humanizeDuration }}, and somebody is still on it",
        consequence="Calls there end then; clients come back on another slot after some seconds.",
        command=STATUS + " --limit {{ $labels.host }}",
        explained_by=(HOST_DOWN,),
    ),
    Alert(
        name="DeployLockHeld",
        expr="(time() - livekit_metal_lock_held_since_seconds) / 60 > $lock_minutes "
        "and livekit_metal_lock_held_since_seconds > 0",
        hold="0s",
        severity="ticket",
        summary="a run has had {{ $labels.host }} for {{ $value | humanize }} minutes",
        consequence="None yet: nobody can deploy, roll back or drain there.",
        command=STATUS + " --limit {{ $labels.host }} says who; --data lock=break ends it",
    ),
    Alert(
        name="DeployUnfinished",
        expr="""livekit_metal_last_change{result=~"began|failed"} == 1
unless on (host) livekit_metal_lock_held_since_seconds > 0""",
        hold="15m",
        severity="ticket",
        summary="the last change of {{ $labels.host }} {{ $labels.result }} and nobody has finished it",
        consequence="None by itself: what ran goes on. The host is not what the inventory says.",
        command="pyinfra INVENTORY deploy.py --limit {{ $labels.host }}",
    ),
    Alert(
        name="OldCode",
        expr="livekit_metal_old_code > 0",
        hold="${old_code_days}d",
        severity="ticket",
        summary="{{ $labels.unit }} on {{ $labels.host }} runs a library that an update has replaced",
        consequence="None until somebody uses the hole that the update closed.",
        command="pyinfra INVENTORY deploy.py --limit {{ $labels.host }} --data refresh=yes",
    ),
    Alert(
        name="HostMetricsOld",
        expr='time() - node_textfile_mtime_seconds{file=~".*/state.prom"} > 300',
        hold="1m",
        severity="ticket",
        summary="what livekit-metal says of {{ $labels.host }} is {{ $value | humanizeDuration }} old",
        consequence="None by itself; drains, deploys and slots there are not seen.",
        command="journalctl -u livekit-host-metrics on {{ $labels.host }}",
        explained_by=(HOST_DOWN, "ServiceFailed"),
    ),
    Alert(
        name="PrometheusFailing",
        # more than once: what is told in the first seconds after a start finds no Alertmanager yet
        expr="""prometheus_config_last_reload_successful == 0
or increase(prometheus_rule_evaluation_failures_total[2m]) > 0
or (increase(prometheus_notifications_dropped_total[2m]) > 0
  and on (instance) prometheus_notifications_alertmanagers_discovered > 0)
or increase(prometheus_tsdb_wal_writes_failed_total[2m]) > 0""",
        hold="5m",
        severity="page",
        summary="Prometheus cannot read its rules, judge them, or tell Alertmanager",
        consequence="None by itself; nobody is told what breaks.",
        command="journalctl -u livekit-prometheus --since -30m where it runs",
        of_host=False,
    ),
    Alert(
        name="RemoteWriteFailing",
        expr="increase(prometheus_remote_storage_samples_failed_total[5m]) > 0",
        hold="5m",
        severity="ticket",
        summary="{{ $labels.url }} does not take samples",
        consequence="None by itself; what is kept there has holes.",
        command="journalctl -u livekit-prometheus --since -30m where it runs",
        of_host=False,
    ),
    Alert(
        name="AlertsNotDelivered",
        expr="sum by (host, integration) (increase(alertmanager_notifications_failed_total[15m])) > 0",
        hold="1m",
        severity="ticket",
        summary="Alertmanager on {{ $labels.host }} could not deliver by {{ $labels.integration }}",
        consequence="None by itself; somebody is not told what breaks.",
        command="journalctl -u livekit-alertmanager --since -30m on {{ $labels.host }}",
        explained_by=(HOST_DOWN,),
    ),
    Alert(
        name=DEAD_MAN,
        expr="vector(1)",
        hold="0s",
        severity="none",
        summary="always: whoever no longer gets it knows that nobody would be told of anything",
        consequence="None.",
        command="none while it comes; else look whether Prometheus and Alertmanager run",
        of_host=False,
    ),
)
