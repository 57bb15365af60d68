"""The shell text of the locks on a host: taken as root, by /bin/sh, in files that nobody else can open.

flock(2) asks for no more than an open file, be it for reading: a lock file that others can read is one that others can
hold. Earlier versions made theirs 0644. Such a file is replaced, under the same name, so that a deploy of an earlier
version and one of this exclude each other; what somebody holds of the old file then is worth nothing.
"""

from __future__ import annotations

LOCK = "/run/livekit-metal.lock"  # held by a run; beside it .holder (who says so), .pid, .login (who it really is)
WORK_LOCK = "/run/livekit-metal.work"  # held, shared, by each command that changes the host
SITE_LOCK = "/run/livekit-metal.site"  # on one host of the site, by a run that takes others out of service
_GUARD = "/run/livekit-metal.guard"  # held for a moment by whoever takes a lock

# Who has the file $1 open: processes of root's, none of them started by another account (a set-user-ID program).
_WHO = r"""
me=$(id -u)
ours() {
  for p in $(find /proc/[0-9]*/fd -lname "$1" 2>/dev/null | cut -d / -f 3 | sort -nu); do
    ! grep -qsE "^Uid:([[:space:]]+$me){4}$" /proc/$p/status || echo $p
  done
}
who() {
  boot=$(sed -n 's/^btime //p' /proc/stat) tick=$(getconf CLK_TCK)
  for p in $(ours "$1"); do
    began=$(sed 's/.*) //' /proc/$p/stat 2>/dev/null | cut -d ' ' -f 20)
    echo "process $p since $(date -u -d "@$((boot + ${began:-0} / tick))" '+%Y-%m-%d %H:%M:%SZ'):" \
      "$(tr -s '\0[:space:]' ' ' </proc/$p/cmdline 2>/dev/null | cut -c 1-120)"
  done | paste -sd ';'
}
"""
# For a message about the file $1.
HOLDERS = f'{_WHO}who "$1"'

# $1 file, $2 number of a descriptor that keeps the old file locked. Status 1: a process of ours has it.
_RENEW = r"""
renew() {
  [ -e "$1" ] && [ "$(stat -c '%a %u' "$1")" != "600 $me" ] || return 0
  eval "exec $2<\"\$1\""
  if ! flock -n -x "$2"; then
    eval "exec $2<&-"
    [ -z "$(ours "$1")" ] || return 1
  fi
  rm -f "$1.new"; : >"$1.new"; mv -fT "$1.new" "$1"
}
"""

# Who has logged in, as sshd and the kernel know it; nothing that the caller says is looked at. sshd's own words are in
# the journal, under the number of a process that is root's to the end of the connection: of Debian 13's sshd-session it
# is the one above the login's own. (Not journalctl's -g, which needs a library that small systems lack.)
_LOGIN = r"""
login() {
  p=$$ s=
  while [ "${p:-0}" -gt 1 ]; do
    t=/proc/$p/status
    ! grep -qsE "^Name:[[:space:]]+sshd" $t || ! grep -qsE "^Uid:([[:space:]]+0){4}$" $t || s="${s:+$s }$p"
    p=$(sed -n 's/^PPid:[[:space:]]*//p' $t)
  done
  [ -n "$s" ] || { echo 'not over SSH'; return; }
  said=$(timeout 5 journalctl -q -b -o cat $(printf ' _PID=%s' $s) 2>/dev/null | grep '^Accepted ' | tail -n 1 |
    sed -n 's/^Accepted [^ ]* for \(.*\) from \([^ ]*\) port [0-9]* ssh2\(: [^ ]* \([^ ]*\)\)\{0,1\}.*/\1 from \2 \4/p')
  [ -n "$said" ] || said=$(tr '\0' '\n' </proc/${s%% *}/cmdline | head -n 1 |
    sed 's/^sshd[^:]*: *//; s/ \[priv\].*//; t; s/@[^@]*$//')
  printf '%s\n' "$said" | sed 's/ *$//' | tr -cd '[:print:]\n' | tr -d '"\\'  # it goes into JSON
}
"""

# $1 the holder. `taken`, or a word that says why not, and what belongs to it: the holder, after a tab the processes.
# A failed redirection of exec ends the shell without a word, hence the subshells.
_START = f"""{_WHO}{_RENEW}
umask 077
[ $me = 0 ] || {{ echo "notroot $(id -un)"; exit 4; }}
command -v flock >/dev/null || {{ echo noflock; exit 5; }}
(: >>{_GUARD}) 2>/dev/null || {{ echo nofile; exit 3; }}
exec 7>>{_GUARD}
flock -w 20 7 || {{ echo "seized -\t$(exec 7>&-; who {_GUARD})"; exit 1; }}
"""
_TAKEN = """printf '%s\\n' "$1" >@LOCK@.holder; echo $$ >@LOCK@.pid
"""
_KEEP = """exec 7>&-
echo taken
exec cat >/dev/null
"""
_HELD = """p=$(cat @LOCK@.pid) && [ "$(readlink "/proc/$p/fd/9")" = @LOCK@ ]"""
# The holder writes who it is right after it has got the lock.
_REFUSED = f"""
held() {{
  exec 9>&- 7>&-; sleep 0.3
  if {_HELD}; then echo "held $(cat @LOCK@.holder)"; else echo "seized -\t$(who @LOCK@)"; fi
  exit 1
}}
"""
_ORPHAN = f"""
orphan() {{ exec 8>&- 5>&-; echo "orphan $(cat {LOCK}.holder)\t$(who {WORK_LOCK})"; exit 2; }}
"""


def _of(lock: str, text: str) -> str:
    return text.replace("@LOCK@", lock)


# Descriptor 6 keeps a deploy of an earlier version out that has opened the old file just before it was replaced.
HOLD = _of(
    LOCK,
    f"""{_START}{_LOGIN}{_REFUSED}{_ORPHAN}
renew {LOCK} 6 || held
exec 9>>{LOCK}
flock -n 9 || held
renew {WORK_LOCK} 5 || orphan
exec 8>>{WORK_LOCK}
flock -n -x 8 || orphan
exec 8>&- 5>&-
{_TAKEN}login >{LOCK}.login
{_KEEP}""",
)
HOLD_SITE = _of(
    SITE_LOCK,
    f"""{_START}{_REFUSED}
renew {SITE_LOCK} 6 || held
exec 9>>{SITE_LOCK}
flock -n 9 || held
{_TAKEN}{_KEEP}""",
)


def holder(lock: str) -> str:
    """Shell text: what the holder of ``lock`` says of itself; nothing when nobody has it.

    To try the lock would be to take it for a moment.
    """
    return _of(lock, f"{_HELD} && cat @LOCK@.holder")


def end_holder(lock: str) -> str:
    """Shell text that takes ``lock`` away from the run that holds it."""
    return _of(lock, f"{_HELD} && kill $p && sleep 0.2")


# $1 the longest to wait (s), $2 shell text, the rest its arguments. The text runs without the descriptor: a daemon that
# it leaves behind does not keep the lock. Modes of new files must not depend on the login's umask.
BUSY = f"lock: {WORK_LOCK} is not free"
CHANGE = f"""umask 077; exec 9>>{WORK_LOCK}
flock -s -w "$1" 9 || {{ echo "{BUSY}" >&2; exit 1; }}
umask 022; s=$2; shift 2
sh -c "$s" sh "$@" 9>&-; exit $?"""
