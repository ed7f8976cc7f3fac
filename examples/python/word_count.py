"""The most frequent words of all text files under a folder, counted on every processor.

    python word_count.py /usr/share/doc

Files that cannot be read, or are no UTF-8, are failures of their items; the rest is counted all the same.
"""

import sys
from collections import Counter
from pathlib import Path

from centimane import parallel_iter


def count(path):
    return Counter(path.read_text(encoding="utf-8").split())


total, failed = Counter(), 0
files = (path for path in Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/doc").rglob("*") if path.is_file())
for item in parallel_iter(count, files, executor="process", progress=True):
    if item.ok:
        total.update(item.value)
    else:
        failed += 1
print(f"{sum(total.values())} words, {failed} files not read")
for word, times in total.most_common(10):
    print(f"{times:8} {word}")
