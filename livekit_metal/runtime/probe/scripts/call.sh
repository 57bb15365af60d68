# $1 directory, $2 seconds, the rest: the call's own arguments. A user of its own that may write nothing and ends with
# it; of the environment nothing, as the SDK would send even loopback through a proxy.
d=$1 s=$2; shift 2
systemd-run --quiet --pipe --wait --collect --description="livekit-metal: a call" -p DynamicUser=yes \
  -p RuntimeMaxSec="$s" -p MemoryMax=512M -p TasksMax=256 -p OOMScoreAdjust=500 -p WorkingDirectory="$d" \
  env -i HOME=/tmp PATH=/usr/bin:/bin python3 -s -m livekit_metal.call "$@" 2>&1 || :
