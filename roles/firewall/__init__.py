"""One own nftables table from the port registry."""
