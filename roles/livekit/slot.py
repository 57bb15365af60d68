"""A slot's steps on a host: point, start, ready, flip, drain. Each may be repeated without harm."""

from __future__ import annotations

from roles._kit.change import Failed, ask, sh
from roles._kit.ready import journal, until
from roles.livekit.generation import Generation
from roles.livekit.settings import UNIT, Settings

from pyinfra.api.host import Host  # isort: skip

_RUN = "/run/livekit-metal"
_DRAIN = Settings.drain_drop_in


def point(host: Host, generation: Generation, slot: str) -> None:
    """Make the empty ``slot`` ready to run ``generation``; it may be started although it is not active yet."""
    sh(
        host,
        "set -eu; unit=$1; mkdir -p /etc/systemd/system/$unit.d $4\n"
        'ln -sfn "$2" /etc/systemd/system/$unit.d/.new; mv -fT /etc/systemd/system/$unit.d/.new '
        "/etc/systemd/system/$unit.d/50-generation.conf\n"
        f'rm -f /run/systemd/system/$unit.d/{_DRAIN}; : > "$4/candidate-livekit-$3"\n'
        "systemctl daemon-reload; systemctl -q enable $unit",
        UNIT.format(slot), generation.drop_in(slot), slot, _RUN,
    )  # fmt: skip


def start(host: Host, slot: str) -> None:
    """Start the unit. That it runs proves nothing yet: livekit-server ends with status 0 when it cannot start."""
    unit = UNIT.format(slot)
    try:
        sh(host, "systemctl reset-failed $1 2>/dev/null || :; systemctl start $1", unit)
    except Failed as error:  # a program that this host cannot even execute
        raise Failed(f"{unit} does not start\n{journal(host, unit)}") from error


def ready(host: Host, settings: Settings, generation: Generation, slot: str, *, fresh: bool) -> None:
    """Await that the slot serves: its own process owns its port, HTTP 200 beyond 6 s, SERVING in Redis.

    ``fresh``: it was started just now, so a restart by systemd means that it cannot start.
    200 comes for the first 4 s even with broken pub/sub (pkg/service/server.go), hence the 7 s.
    """
    unit = UNIT.format(slot)
    port, metrics = settings.part("signal", slot).first, settings.part("metrics", slot).first
    alive = '[ "$(systemctl show -p NRestarts --value $unit)" = 0 ] || { echo "it exits at start"; exit 1; }\n'
    answers = (
        (alive if fresh else "")
        + 'pid=$(systemctl show -p MainPID --value $unit); ss -Hltnp "sport = :$1" | grep -q "pid=$pid,"'
        ' && [ "$(curl -s -m 2 -o /dev/null -w "%{http_code}" http://127.0.0.1:$1/)" = 200 ]'
    )
    until(host, f"slot {slot} answers on port {port}", unit, answers, str(port), within=30)
    hold = (
        "for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 0.5\n"
        'code=$(curl -s -m 2 -o /dev/null -w "%{http_code}" http://127.0.0.1:$1/)\n'
        '[ "$code" = 200 ] || { echo "HTTP $code" >&2; exit 1; }; done'
    )
    try:
        ask(host, hold, str(port))
    except Failed as error:
        raise Failed(f"slot {slot} did not stay ready for 7 s: {error}\n{journal(host, unit)}") from error
    serving = (
        'id=$(curl -s -m 2 http://127.0.0.1:$1/metrics | sed -n \'s/.*node_id="\\(ND_[^"]*\\)".*/\\1/p\' | head -n 1)\n'
        '[ -n "$id" ] && set -a && . "$2/environment" && set +a && '
        '"$3" --config "$2/$4.yaml" --key-file "$2/keys.yaml" list-nodes | grep -A1 "$id" | grep -q SERVING && echo $id'
    )
    args = (str(metrics), generation.directory, generation.release.program, slot)
    until(host, f"slot {slot} is SERVING in Redis", unit, serving, *args, within=15)


def drain(host: Host, slot: str, deadline: int) -> None:
    """Tell a slot to end when its last participant has left, at the latest in ``deadline`` seconds; do not wait.

    The deadline is TimeoutStopSec of a drop-in in /run. It must stay until the unit is inactive: systemd computes
    deadlines anew at every daemon-reload. Never `systemctl kill`: Restart=always would revive the slot.
    """
    sh(
        host,
        "set -eu; d=/run/systemd/system/$1.d; mkdir -p $d\n"
        f"printf '[Service]\\nTimeoutStopSec=%s\\n' \"$2\" > $d/{_DRAIN}\n"
        'rm -f "$3"; systemctl daemon-reload; systemctl stop --no-block $1',
        UNIT.format(slot), str(deadline), f"{_RUN}/candidate-livekit-{slot}",
    )  # fmt: skip
