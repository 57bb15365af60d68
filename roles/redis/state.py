"""What a look tells about Redis: its users, where it listens, and which of what the site has no more is still in use.

Redis itself says who is logged in, the kernel who is connected to where: whatever runs, on whatever host, counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from livekit_metal.roles.redis.settings import FORWARD_UNIT, FORWARD_UNIT_BEFORE, UNIT, Settings
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery

PROBE = "redis.state"
ADDRESS = "# Former address: "  # how a line of the former unit's file says what it listens on
_SETTLED = 10  # seconds after which whoever lost a connection has another: livekit-server speaks every few seconds

# leaves ADDRESS: the running Redis listens there, the site wants that no more. former ADDRESS: the former unit does,
# or should. Of both only addresses that this host still has. used ADDRESS: a former one with somebody connected.
# user NAME: one of Redis. retired NAME SHA256: the user of a daemon that the site has no more and somebody is logged in
# as, and its password. While what they go through has just started, everybody counts as connected. Redis is asked where
# it listens now.
_PROBE = r"""
here() { a=${1%:*}; a=${a#[}; ip -o addr show to "${a%]}" | grep -q .; }
fresh() { s=$(ps -o etimes= -p "$(systemctl show -p MainPID --value $1)"); [ "${s:-0}" -lt @SETTLED@ ]; }
now=$(ss -Hltn --cgroup | awk '$NF ~ "/@UNIT@$" { print $4 }')
for e in $now; do case ' @LISTENS@ ' in *" $e "*) ;; *) ! here $e || echo "leaves $e" ;; esac; done
f=$(ls @FILES@ 2>/dev/null | sed 1q)
if [ -n "$f" ]; then
  busy=$(ss -Htn state established | awk '{ print $3 }')
  ! fresh @UNIT@ && ! fresh ${f##*/} || busy=$(sed -n 's/^@ADDRESS@//p' $f)
  for e in $(sed -n 's/^@ADDRESS@//p' $f); do
    here $e || continue
    echo "former $e"
    ! printf '%s\n' "$busy" | grep -qxF "$e" || echo "used $e"
  done
fi
e=$(printf '%s\n' $now @LISTENS@ | sed 1q); a=${e%:*}; a=${a#[}
for p in @PASSWORDS@; do
  said=$(printf 'acl list\nclient list\n' |
    REDISCLI_AUTH=$p timeout 5 redis-cli -h "${a%]}" -p "${e##*:}" --user deploy)
  case $said in *"user default"*) break ;; esac
done
told=$(printf '%s\n' "$said" | awk -v wanted=' @USERS@ ' '
  $1 == "user" { print "user", $2 }
  $1 == "user" && $2 ~ /^(@DAEMONS@)-/ && !index(wanted, " " $2 " ") {
    for (i = 3; i <= NF; i++) if ($i ~ /^#/) of[$2] = substr($i, 2)
  }
  /^id=/ { for (i = 1; i <= NF; i++) if (sub(/^user=/, "", $i)) in_use[$i] }
  END { for (u in of) print (u in in_use ? "retired" : "idle"), u, of[u] }')
case $told in *idle*) ! fresh @UNIT@ || told=$(printf '%s\n' "$told" | sed 's/^idle/retired/') ;; esac
[ -z "$told" ] || printf '%s\n' "$told"
"""


@dataclass(frozen=True, slots=True)
class Observed:
    """``users`` is empty when Redis does not run, or lets nobody of us in."""

    leaves: tuple[str, ...]
    former: tuple[str, ...]
    used: tuple[str, ...]
    users: tuple[str, ...]
    retired: tuple[tuple[str, str], ...]


def needs(settings: Settings) -> StateQuery:
    """What to ask a host whose Redis should have ``settings``."""
    words = {
        "SETTLED": str(_SETTLED),
        "UNIT": UNIT,
        "FILES": " ".join(f"{UNITS}/{unit}" for unit in (FORWARD_UNIT_BEFORE, FORWARD_UNIT)),
        "ADDRESS": ADDRESS,
        "LISTENS": " ".join(settings.listens),
        "PASSWORDS": " ".join(quote(p.reveal()) for p in settings.deploy_passwords),
        "USERS": " ".join(settings.users),
        "DAEMONS": "|".join(settings.callers),
    }
    text = _PROBE
    for name, value in words.items():
        text = text.replace(f"@{name}@", value)
    return StateQuery(queries=((PROBE, text),))


def forward_unit(seen: HostState) -> str:
    """The unit that forwards, by the name that it has on the host."""
    return FORWARD_UNIT_BEFORE if f"{UNITS}/{FORWARD_UNIT_BEFORE}" in seen.files else FORWARD_UNIT


def observed(seen: HostState) -> Observed:
    """The probe's answer."""
    said: dict[str, list[str]] = {}
    for line in seen.answers[PROBE]:
        word, _, value = line.partition(" ")
        said.setdefault(word, []).append(value)
    leaves, former, used, users = (tuple(sorted(said.get(w, ()))) for w in ("leaves", "former", "used", "user"))
    retired = tuple((name, sha256) for name, _, sha256 in (v.partition(" ") for v in sorted(said.get("retired", ()))))
    return Observed(leaves, former, used, users, retired)
