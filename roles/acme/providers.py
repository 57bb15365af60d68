"""The services at which lego can write DNS records, by its names: those that Debian's build has (4.9.1 in 12 and 13).

Seen by asking the program for each of them; what `lego dnshelp` lists is more than it has.
"""

from __future__ import annotations

EXEC = "exec"  # a program of the operator's writes them

_HAS = """
allinkl arvancloud autodns bluecat checkdomain clouddns cloudns cloudxns conoha constellix desec digitalocean
dnsmadeeasy dode domeneshop dreamhost duckdns dyn dynu easydns epik exec gandi gandiv5 gcloud gcore glesys
godaddy hetzner hostingde hosttech httpreq hurricane hyperone infomaniak internetbs inwx ionos iwantmyname joker
lightsail loopia luadns mydnsjp mythicbeasts namecheap nearlyfreespeech netcup netlify nicmanager nifcloud
njalla otc ovh pdns rackspace regru rfc2136 rimuhosting route53 safedns selectel servercow simply sonic
stackpath variomedia vercel versio vscale vultr wedos yandex zoneee zonomi
"""
_LACKS = """
acme-dns alidns auroradns azure bindman civo cloudflare designate dnsimple dnspod edgedns exoscale freemyip
ibmcloud iij iijdpf infoblox linode liquidweb namedotcom namesilo ns1 oraclecloud porkbun sakuracloud scaleway
tencentcloud transip vegadns vinyldns vkcloud yandexcloud
"""
PROVIDERS = frozenset(_HAS.split())
WITHOUT = frozenset(_LACKS.split())  # that upstream's has
