# Links that are up, and for each IPsec state that travels as it is (not in UDP) its protocol. Keys stay on the host.
echo "links $(ip -d -j link show up)"
ip xfrm state 2>/dev/null | awk '/^src/ { if (p) print "ipsec", p; p = "" } $1 == "proto" { p = $2 }
  $1 == "encap" { p = "" } END { if (p) print "ipsec", p }' | sort -u
