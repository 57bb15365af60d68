# Whether key and certificate belong to each other. $1 certificate, $2 key, $3 words that make a command Kamailio's:
# what root may read proves nothing. $4 its user
# shellcheck disable=SC2086
as() { $who openssl "$@"; }
who=$3
cert=$(as x509 -in "$1" -noout -pubkey) || { echo "kamailio.certificate: $4 finds no certificate in $1" >&2; exit 1; }
key=$(as pkey -in "$2" -pubout) || { echo "kamailio.certificate_key: $4 finds no key in $2" >&2; exit 1; }
[ "$cert" = "$key" ] || { echo "kamailio.certificate_key: $2 is not the key of $1" >&2; exit 1; }
