# Functions about the slot that gets new sessions; $file, $socket, $component and $slot are the caller's, and `talk`.
# shellcheck disable=SC2154
want() { grep -v '^ *\(#\|$\)' "$file" | sort; }
have() { talk "show map $file" | awk 'NF == 3 { print $2, $3 }' | sort; }
# Makes the running HAProxy's map equal to the file. Without a socket it has yet to start, and reads it.
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
# $1 the line of the component; without one, no slot of this host is active, and new sessions go to the edges of the
# others. The file is renamed first: HAProxy, should it start at this moment, reads the new one.
write() {
  (umask 022; touch "$file"; { grep -v "^$component " "$file" || :; [ -z "${1-}" ] || echo "$1"; } >"$file.lkm-new")
  sync "$file.lkm-new"; mv -fT "$file.lkm-new" "$file"
  follow
}
# HAProxy must have seen the slot answer before: the first sessions would go astray. Of `show servers state` that is
# state 2 (up, which HAProxy also assumes before the first check) and check result 3 (passed).
sees_slot() {
  talk "show servers state ${component}_$slot" |
    awk '$4 == "local" && $6 == 2 && $12 == 3 { up = 1 } END { exit !up }'
}
flip() {
  if [ -S "$socket" ]; then
    end=$(($(date +%s) + 15))
    until sees_slot; do
      [ "$(date +%s)" -lt "$end" ] ||
        { echo "HAProxy did not see slot $slot of $component answer within 15 s" >&2; exit 1; }
      sleep 0.2
    done
  fi
  write "$component $slot"
}
