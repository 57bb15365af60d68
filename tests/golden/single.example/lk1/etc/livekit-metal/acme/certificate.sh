644 root:root
----------------------------------------
#!/bin/sh
# Managed by livekit-metal; edit the inventory instead. Role: acme
#
#   account  the site's account, for lego
#   seed     something that HAProxy can start with, while there is no certificate yet
#   load     HAProxy takes what lies there, if it has something else
#   due      the same, and whether another certificate is to be got (status 0)
#   take     what lego has just got comes into force, if it is whole
#   covers   whether what lies there is good for every name of this host (status 0)
set -eu
umask 077
pem=/etc/livekit-metal/edge/acme.pem got=/var/lib/livekit-metal/acme/certificates/lk.example.org metric=/etc/livekit-metal/edge/acme.prom again=/etc/livekit-metal/acme/again
socket=/run/livekit-edge/admin.sock unit=livekit-edge.service request=SUM

talk() { perl -MIO::Socket::UNIX -e 'alarm 5; my ($u, $g) = (lstat $ARGV[0])[4, 5];
  if (defined $u && $u != $>) { ($(, $)) = ($g, "$g $g"); ($<, $>) = ($u, $u); $> == $u or die "$u: $!\n" }
  my $s = IO::Socket::UNIX->new(Peer => $ARGV[0])
  or die "HAProxy does not answer on $ARGV[0]: $!\n"; print $s "$ARGV[1]\n"; print while <$s>' "$socket" "$1"; }

# Dates in ISO 8601: date(1) of uutils 0.0.30 reads no name of a month.
of() { openssl x509 -noout -in "$1" "-$2" -dateopt iso_8601 | cut -d = -f 2; }
now() { date +%s; }
fingerprint() { openssl x509 -noout -in "$pem" -fingerprint -sha1 | cut -d = -f 2 | tr -d :; }
loaded() { talk "show ssl cert $pem" | sed -n 's/^SHA1 FingerPrint: //p'; }
# seconds, what is said when it does not come true, a condition; 255, as to systemd any other status means: not due
within() {
  end=$(($(now) + $1)) what=$2; shift 2
  until "$@"; do [ "$(now)" -lt "$end" ] || { echo "$what" >&2; exit 255; }; sleep 0.2; done
}

# A file of lego's, read as lego's user: a link leads no further than that user may go, a pipe is not waited for, and
# what has no end has one here.
read_as_lego() {
  setpriv --reuid=livekit-acme --regid=livekit-acme --clear-groups timeout 10 head -c 65536 -- "$1" ||
    { echo "$1: cannot be read as livekit-acme within 10 s; see what it is (ls -l), and remove it" >&2; return 1; }
}

# $pem.lkm-new, with what Prometheus is told of it, takes the place of what was served before.
put() {
  ends=$(date -d "$(of "$pem.lkm-new" enddate)" +%s)
  cat >"$metric.lkm-new" <<METRIC
# HELP livekit_edge_certificate_not_after_timestamp_seconds When the certificate that clients get ends.
# TYPE livekit_edge_certificate_not_after_timestamp_seconds gauge
livekit_edge_certificate_not_after_timestamp_seconds $ends
METRIC
  chmod 644 "$metric.lkm-new"
  chown root:haproxy "$pem.lkm-new"
  chmod 640 "$pem.lkm-new"
  sync "$metric.lkm-new" "$pem.lkm-new"
  mv -fT "$metric.lkm-new" "$metric"
  mv -fT "$pem.lkm-new" "$pem"
}

# A reload keeps every connection. Whether HAProxy has a certificate it says itself: a run that was killed is no matter.
# One that does not run, or reads no such file yet, will read it when it starts.
has_loaded() { [ "$(loaded)" = "$(fingerprint)" ]; }
ready() { [ "$(systemctl show -p ActiveState --value "$unit")" = active ]; }
load() {
  [ -S "$socket" ] || return 0
  has=$(loaded)
  [ -n "$has" ] && [ "$has" != "$(fingerprint)" ] || return 0
  within 60 "$unit is not ready to be reloaded" ready # a master that is still loading drops the signal
  systemctl reload "$unit"
  within 60 "HAProxy has not taken the new certificate" has_loaded
}

account() {
  # anew each time: to a CA that has lost it lego introduces the account again, and any other says that it knows it
  rm -rf /var/lib/livekit-metal/acme/accounts
  mkdir -p /var/lib/livekit-metal/acme/web
  install -D -m 600 /etc/livekit-metal/acme/account.pem /var/lib/livekit-metal/acme/accounts/acme-v02.api.letsencrypt.org/ops@example.org/keys/ops@example.org.key
}

seed() {
  [ ! -e "$pem" ] || return 0
  (umask 022; mkdir -p "${pem%/*}")
  before=$(ls -t "${pem%/*}"/cert-*.pem 2>/dev/null | head -n 1)
  if [ -n "$before" ]; then
    cp "$before" "$pem.lkm-new" # what was served before ACME, until there is better
  else
    openssl ecparam -genkey -noout -name prime256v1 >"$pem.lkm-new"
    openssl req -x509 -key "$pem.lkm-new" -days 1 -subj "/CN=no certificate yet" >>"$pem.lkm-new"
  fi
  put
}

due() {
  load
  [ ! -e "$again" ] || return 0
  [ "$(sed -n 's/^# request //p' "$pem")" = "$request" ] || return 0
  begins=$(date -d "$(of "$pem" startdate)" +%s) ends=$(date -d "$(of "$pem" enddate)" +%s)
  [ $(((ends - $(now)) * 3)) -lt $((ends - begins)) ]
}

good() { # file
  for name in lk.example.org; do
    openssl x509 -noout -in "$1" -checkhost "$name" | grep -q 'does match' || { echo "it is not for $name" >&2; return 1; }
  done
  openssl x509 -noout -in "$1" -checkend 0 >/dev/null || { echo "it has ended" >&2; return 1; }
  [ "$(openssl pkey -in "$1" -pubout)" = "$(openssl x509 -noout -in "$1" -pubkey)" ] ||
    { echo "its key is another one's" >&2; return 1; }
}

take() {
  # a copy first: what lego's user may write is not what is looked at
  { echo "# request $request" && read_as_lego "$got.key" && read_as_lego "$got.crt"; } >"$pem.lkm-new" ||
    { rm -f "$pem.lkm-new"; exit 1; }
  good "$pem.lkm-new" || { rm -f "$pem.lkm-new"; exit 1; }
  put
  rm -f "$again"
  load
}

case $1 in
  account | seed | load | due | take) "$1" ;;
  covers) good "$pem" ;;
  *) sed -n '3,/^set/s/^# *//p' "$0" >&2; exit 2 ;;
esac
