"""Workers on an input and an output queue, ended by poison pills.

Each worker draws the next task when it is free, so long and short tasks balance by themselves. The same program runs with the standard
library's queues; here the workers may be joined before the results are read, and one that is killed makes nobody wait for ever.
"""

from multiprocessing import Process

from centimane.multiprocessing import Queue


def fibonacci(n: int) -> int:
    """The naive way, so that the tasks differ much in length."""
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def work(tasks: Queue, results: Queue) -> None:
    """Takes tasks until the pill comes."""
    for n in iter(tasks.get, None):
        results.put((n, fibonacci(n)))


def main() -> None:
    """Four workers, twenty tasks."""
    tasks, results = Queue(), Queue()
    workers = [Process(target=work, args=(tasks, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for n in range(20, 0, -1):
        tasks.put(n)
    for _ in workers:
        tasks.put(None)
    for worker in workers:
        worker.join()
    answers = dict(results.get() for _ in range(results.qsize()))
    print(f"{len(answers)} tasks done, fibonacci(20) = {answers[20]}")


if __name__ == "__main__":
    main()
