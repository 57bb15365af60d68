# Functions about the locks on a host: taken as root, in files that nobody else can open. Beside a lock's file there are
# .holder (who says so) and .pid, beside the host's .login (who it really is). After is-held.sh.
#
# flock(2) asks for no more than an open file, be it for reading: a lock file that others can read is one that others
# can hold. Earlier versions made theirs 0644. Such a file is replaced, under the same name, so that a deploy of an
# earlier version and one of this exclude each other; what somebody holds of the old file then is worth nothing.
me=$(id -u)

# Who has the file $1 open: processes of root's, none of them started by another account (a set-user-ID program).
ours() {
  for p in $(find /proc/[0-9]*/fd -lname "$1" 2>/dev/null | cut -d / -f 3 | sort -nu); do
    ! grep -qsE "^Uid:([[:space:]]+$me){4}$" "/proc/$p/status" || echo "$p"
  done
}
who() {
  boot=$(sed -n 's/^btime //p' /proc/stat) tick=$(getconf CLK_TCK)
  for p in $(ours "$1"); do
    began=$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null | cut -d ' ' -f 20)
    echo "process $p since $(date -u -d "@$((boot + ${began:-0} / tick))" '+%Y-%m-%d %H:%M:%SZ'):" \
      "$(tr -s '\0[:space:]' ' ' <"/proc/$p/cmdline" 2>/dev/null | cut -c 1-120)"
  done | paste -sd ';'
}

# $1 file, $2 number of a descriptor that keeps the old file locked. Status 1: a process of ours has it.
renew() {
  [ -e "$1" ] && [ "$(stat -c '%a %u' "$1")" != "600 $me" ] || return 0
  eval "exec $2<\"\$1\""
  if ! flock -n -x "$2"; then
    eval "exec $2<&-"
    [ -z "$(ours "$1")" ] || return 1
  fi
  rm -f "$1.new"; : >"$1.new"; mv -fT "$1.new" "$1"
}

# Who has logged in, as sshd and the kernel know it; nothing that the caller says is looked at. sshd's own words are in
# the journal, under the number of a process that is root's to the end of the connection: of Debian 13's sshd-session it
# is the one above the login's own. (Not journalctl's -g, which needs a library that small systems lack.)
login() {
  p=$$ s=
  while [ "${p:-0}" -gt 1 ]; do
    t=/proc/$p/status
    ! grep -qsE "^Name:[[:space:]]+sshd" "$t" || ! grep -qsE "^Uid:([[:space:]]+0){4}$" "$t" || s="${s:+$s }$p"
    p=$(sed -n 's/^PPid:[[:space:]]*//p' "$t")
  done
  [ -n "$s" ] || { echo 'not over SSH'; return; }
  # shellcheck disable=SC2046,SC2086  # numbers
  said=$(timeout 5 journalctl -q -b -o cat $(printf ' _PID=%s' $s) 2>/dev/null | grep '^Accepted ' | tail -n 1 |
    sed -n 's/^Accepted [^ ]* for \(.*\) from \([^ ]*\) port [0-9]* ssh2\(: [^ ]* \([^ ]*\)\)\{0,1\}.*/\1 from \2 \4/p')
  [ -n "$said" ] || said=$(tr '\0' '\n' <"/proc/${s%% *}/cmdline" | head -n 1 |
    sed 's/^sshd[^:]*: *//; s/ \[priv\].*//; t; s/@[^@]*$//')
  # it goes into JSON; [:print:] of uutils had no space in it (uutils/coreutils#11405)
  # shellcheck disable=SC1003
  printf '%s\n' "$said" | sed 's/ *$//' | tr -cd '[:print:] \n' | tr -d '"\\'
}

# $1 guard: held for a moment by whoever takes a lock. A failed redirection of exec ends the shell without a word, hence
# the subshells.
enter() {
  umask 077
  [ "$me" = 0 ] || { echo "notroot $(id -un)"; exit 4; }
  command -v flock >/dev/null || { echo noflock; exit 5; }
  (: >>"$1") 2>/dev/null || { echo nofile; exit 3; }
  exec 7>>"$1"
  flock -w 20 7 || { printf 'seized -\t%s\n' "$(exec 7>&-; who "$1")"; exit 1; }
}
# The holder writes who it is right after it has got the lock.
held() {
  exec 9>&- 7>&-
  sleep 0.3
  if is_held "$1"; then printf 'held %s\n' "$(cat "$1.holder")"; else printf 'seized -\t%s\n' "$(who "$1")"; fi
  exit 1
}
# $1 lock, $2 who we are
taken() { printf '%s\n' "$2" >"$1.holder"; echo $$ >"$1.pid"; }
# Until the end of standard input, which is that of the run.
keep() {
  exec 7>&-
  echo taken
  exec cat >/dev/null
}
