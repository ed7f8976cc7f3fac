"""A job that may be killed at any time and goes on where it was: run it, press Ctrl-C or kill it, run it again."""

from time import sleep

from centimane import checkpoint_info, parallel_map


def fetch(page):
    sleep(0.05)  # a slow service
    return f"page {page}"


result = parallel_map(fetch, range(200), workers=4, checkpoint="pages.ckpt", checkpoint_version="v1", progress=True)
again = sum(item.attempts == 0 for item in result.item_results())
print(f"{again} pages came from pages.ckpt, which now has {checkpoint_info('pages.ckpt').completed}")
