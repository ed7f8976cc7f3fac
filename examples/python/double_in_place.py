"""The tutorial's shared array: a worker doubles it in place, once found by its name as with the standard library, once as a SharedArray."""

import numpy as np

from centimane import SharedArray, parallel_map
from centimane.multiprocessing import Pool, shared_memory


def double_by_name(name, shape, dtype):
    memory = shared_memory.SharedMemory(name=name)
    array = np.ndarray(shape, dtype=dtype, buffer=memory.buf)
    array *= 2


def double(shared):
    shared.array[:] *= 2


numbers = np.arange(1, 6)

memory = shared_memory.SharedMemory(create=True, size=numbers.nbytes)
named = np.ndarray(numbers.shape, dtype=numbers.dtype, buffer=memory.buf)
named[:] = numbers
with Pool(1) as pool:
    pool.apply(double_by_name, (memory.name, named.shape, named.dtype))
print("by name:", named)
memory.unlink()  # had it been forgotten, it would go with this program

shared = SharedArray.from_array(numbers)
parallel_map(double, [shared], executor="process").values()
print("SharedArray:", shared.array)
