# Whether a run holds the lock $1; its process is $p then. (To try the lock would be to take it for a moment.)
is_held() { p=$(cat "$1.pid") && [ "$(readlink "/proc/$p/fd/9")" = "$1" ]; }
