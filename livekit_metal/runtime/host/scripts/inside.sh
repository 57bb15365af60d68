# Runs a program in the sandbox of a unit. $1 the unit's file (or drop-in), $2 more properties (words), the rest the
# program. What is taken over from the file: who runs it, with which secrets, whom it trusts, and what it may. No
# directory, no command.
unit=$1 more=$2
shift 2
taken='User=|Group=|EnvironmentFile=|UMask=|CapabilityBoundingSet=|LockPersonality=|MemoryDenyWriteExecute='
taken="$taken|Environment=SSL_|NoNewPrivileges=|Private|ProcSubset=|Protect|Restrict[A-Z]|SystemCall"
p=$(sed -nE "s/^(($taken).*)\$/--property=\\1/p" "$unit")
# never as root for want of a unit
case $p in *--property=User=*) ;; *) echo "$unit says not as whom" >&2; exit 1 ;; esac
for each in $more; do set -- "--property=$each" "$@"; done
IFS='
'
set -f
# shellcheck disable=SC2086  # lines
exec systemd-run --quiet --pipe --wait --collect $p "$@"
