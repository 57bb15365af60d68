"""Documents made from code; `python -m docs` writes them, `python -m docs --check` fails when one is stale."""
