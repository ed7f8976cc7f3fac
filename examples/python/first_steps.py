"""The sum of squares of the tutorials: eight times ten million, one after the other and in parallel."""

from time import perf_counter

from centimane import parallel_map


def sum_of_squares(n):
    return sum(i * i for i in range(n))


jobs = [10_000_000] * 8
begin = perf_counter()
expected = [sum_of_squares(n) for n in jobs]
between = perf_counter()
result = parallel_map(sum_of_squares, jobs, executor="process", progress=True)
end = perf_counter()
assert list(result) == expected
print(
    f"sequential {between - begin:.1f} s, parallel {end - between:.1f} s: {(between - begin) / (end - between):.2f} times as fast"
)
