"""The tutorials' job: eight sums of squares, one after another and on two worker processes."""

import sys
import time

import centimane

n = int(sys.argv[1])
items = [n] * 8


def sum_of_squares(count):
    return sum(i * i for i in range(count))


start = time.perf_counter()
expected = [sum_of_squares(item) for item in items]
sequential = time.perf_counter() - start

start = time.perf_counter()
result = centimane.parallel_map(sum_of_squares, items, executor="process", workers=2, progress=True)
parallel = time.perf_counter() - start

print(f"8 × {n:,}: sequential {sequential:.2f} s, 2 workers {parallel:.2f} s, speed-up {sequential / parallel:.2f}")
sys.exit(list(result.values()) != expected)
