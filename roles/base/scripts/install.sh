# $1 and $2 where to note which packages and users came, the rest: packages. The notes are written even when the
# installation fails half-way.
set -eu; packages=$1 users=$2; shift 2
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C
before=$(mktemp -d); trap 'rm -rf "$before"' EXIT
packages() { dpkg-query -W -f '${Package}\n' | sort; }
users() { cut -d: -f1 /etc/passwd | sort; }
packages >"$before/packages"; users >"$before/users"
note() {
  mkdir -p "${packages%/*}"
  packages | comm -13 "$before/packages" - >>"$packages"; users | comm -13 "$before/users" - >>"$users"
}
# apt waits for dpkg's lock, but not for the one of its lists, which a timer of Debian's may hold
end=$(($(date +%s) + 300))
until said=$(apt-get -q update 2>&1); do
  case $said in *"Could not get lock"*) [ "$(date +%s)" -gt "$end" ] || { sleep 1; continue; } ;; esac
  printf '%s\n' "$said" >&2; exit 1
done
# what a power cut in the middle of an installation leaves
[ -z "$(ls /var/lib/dpkg/updates)" ] || dpkg --force-confdef --force-confold --configure -a
status=0
apt-get -y -q --no-install-recommends --no-remove -o DPkg::Lock::Timeout=300 \
  -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install -- "$@" || status=$?
note; exit $status
