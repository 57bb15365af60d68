"""Which slot gets new sessions: one file is the truth, and HAProxy's map follows it without a reload.

HAProxy's configuration has, per component and slot, a backend ``component_slot`` whose server ``local`` is the slot.
Everything here may be repeated without harm.
"""

from __future__ import annotations

import shlex

from pyinfra.api.host import Host

from livekit_metal.core.slots.active import TALK, Active
from livekit_metal.runtime.host.commands import run

# $file, $socket: make the running HAProxy's map equal to the file. Without a socket it has yet to start, and reads it.
_FOLLOW = r"""
want() { grep -v '^ *\(#\|$\)' "$file" | sort; }
have() { talk "show map $file" | awk 'NF == 3 { print $2, $3 }' | sort; }
follow() {
  [ -S "$socket" ] || return 0
  commands=$({ have | sed 's/^/- /'; want | sed 's/^/+ /'; } | awk -v map="$file" '
    $1 == "-" { old[$2] = $3 }
    $1 == "+" { new[$2] = $3 }
    END {
      for (k in new) if (!(k in old)) print "add map " map " " k " " new[k]
        else if (old[k] != new[k]) print "set map " map " " k " " new[k]
      for (k in old) if (!(k in new)) print "del map " map " " k
    }' | paste -sd ';')
  said=; [ -z "$commands" ] || said=$(talk "$commands")
  [ "$(have)" = "$(want)" ] || { echo "HAProxy's map is not as $file ($said)" | tr -s '\n' ' ' >&2; return 1; }
}
"""

# $component $slot. HAProxy must have seen the slot answer before: the first sessions would go astray. Of `show servers
# state` that is state 2 (up, which HAProxy also assumes before the first check) and check result 3 (passed).
FLIP = r"""
if [ -S "$socket" ]; then
  end=$(($(date +%s) + 15))
  passed='$4 == "local" && $6 == 2 && $12 == 3 { up = 1 } END { exit !up }'
  until talk "show servers state ${component}_$slot" | awk "$passed"; do
    [ $(date +%s) -lt $end ] || { echo "HAProxy did not see slot $slot of $component answer within 15 s" >&2; exit 1; }
    sleep 0.2
  done
fi
write "$component $slot"
"""
# $component: no slot of this host is active; new sessions go to the edges of the others.
CLOSE = """
write
"""
# The file is renamed first: HAProxy, should it start at this moment, reads the new one.
_WRITE = r"""
write() {
  (umask 022; touch "$file"; { grep -v "^$component " "$file" || :; [ -z "${1-}" ] || echo "$1"; } >"$file.lkm-new")
  sync "$file.lkm-new"; mv -fT "$file.lkm-new" "$file"
  follow
}
"""
FUNCTIONS = f"{TALK}{_FOLLOW}{_WRITE}"


def flip(host: Host, active: Active, component: str, slot: str) -> None:
    """Send new sessions of ``component`` to ``slot``; the other components' lines stay. Raises HostError."""
    text = f"set -eu; file=$1 socket=$2 component=$3 slot=$4{FUNCTIONS}{FLIP}"
    run(host, text, active.file, active.socket, component, slot)


def follow(host: Host, active: Active) -> None:
    """Make the running HAProxy's map equal to the file: what a deploy killed in the middle of a flip leaves to do."""
    run(host, f"set -eu; file=$1 socket=$2{TALK}{_FOLLOW}follow", active.file, active.socket)


def question(active: Active, *commands: str) -> str:
    """Shell text for a look: HAProxy's answers to ``commands``; nothing when it does not run."""
    asked = shlex.quote(";".join(commands))
    return f'socket={shlex.quote(active.socket)}{TALK}{{ [ ! -S "$socket" ] || talk {asked}; }}'
