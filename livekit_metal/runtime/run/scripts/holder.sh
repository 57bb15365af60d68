# What the holder of the lock $1 says of itself; nothing when nobody has it. is-held.sh
is_held "$1" && cat "$1.holder"
