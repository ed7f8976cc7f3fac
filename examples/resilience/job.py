"""The Python half of `make demo-resilience`: job.py PORT CLIENT ITEMS FORM RATE CHECKPOINT. Ends with 0 if every value is right."""

import sys
import urllib.error
import urllib.request

from centimane import RateLimit, Retry, parallel_map

PORT, CLIENT, ITEMS, FORM, RATE, CHECKPOINT = sys.argv[1:7]
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(number: int) -> int:
    """One call of the service."""
    with direct.open(f"http://127.0.0.1:{PORT}/{CLIENT}/{number}", timeout=60) as response:
        return int(response.read())


how = {"workers": 8, "checkpoint": CHECKPOINT or None}
if FORM == "limited":
    how["rate_limit"] = RateLimit(float(RATE))
else:
    how["retry"] = Retry.for_http(on=(urllib.error.URLError, ConnectionError), attempts=100, backoff=0.05)
result = parallel_map(fetch, range(int(ITEMS)), **how)
sys.exit(list(result) != [n * n for n in range(int(ITEMS))])
