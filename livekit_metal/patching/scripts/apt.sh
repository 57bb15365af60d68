# $1 what to do: "refresh" the lists, say what is "due", or "upgrade"; $2 "security" for that archive's packages only, or
# "all". Nothing is removed, and apt keeps what is held (apt-mark) as it is. Our daemons are not restarted.
set -eu; do=$1 which=${2-all}
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C
refresh() {
  # apt waits for dpkg's lock, but not for the one of its lists, which a timer of Debian's may hold
  end=$(($(date +%s) + 300))
  until said=$(apt-get -q update 2>&1); do
    case $said in *"Could not get lock"*) [ "$(date +%s)" -gt "$end" ] || { sleep 1; continue; } ;; esac
    printf '%s\n' "$said" >&2; exit 1
  done
}
[ "$do" != refresh ] || { refresh; exit; }
set -- --with-new-pkgs --no-remove
if [ "$which" = security ]; then
  # below 100 nothing takes the place of what is installed, but what a new package needs comes (apt_preferences(5)); the
  # first record that fits decides
  own=$(mktemp -d); trap 'rm -rf "$own"' EXIT
  cp /etc/apt/preferences.d/* "$own" 2>/dev/null || :
  {
    printf 'Package: *\nPin: release a=now\nPin-Priority: 100\n\n'
    printf 'Package: *\nPin: release l=Debian-Security\nPin-Priority: 500\n\n'
    printf 'Package: *\nPin: release a=*-security\nPin-Priority: 500\n\n'
    printf 'Package: *\nPin: release *\nPin-Priority: 50\n'
  } >"$own/00livekit-metal"
  set -- -o "Dir::Etc::PreferencesParts=$own" "$@"
fi
case $do in
  due)
    apt-mark showhold | sed 's/^/held /'
    apt-get -s -q -o Debug::NoLocking=1 "$@" upgrade | sed -n 's/^Inst \([^ ]*\) .*(\([^ ]*\) .*/due \1 \2/p'
    ;;
  upgrade)
    # what a power cut in the middle of an installation leaves
    [ -z "$(ls /var/lib/dpkg/updates)" ] || dpkg --force-confdef --force-confold --configure -a
    set -- -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
    said=$(apt-get -y -q "$@" upgrade 2>&1) && exit
    # what dpkg says stands before what apt makes of it, over two lines, among much else; the first line is shown
    printf '%s\n' "$said" | sed -n '/^dpkg: error/ { N; s/\n */ /; p; }; /^E: /p' | grep . >&2 || printf '%s\n' "$said" >&2
    exit 1
    ;;
esac
