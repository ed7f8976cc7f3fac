"""An HTTP service on loopback that enforces a quota, and counts. `GET /client/7` answers 49, or 429 with Retry-After.

Each client name has a quota and counts of its own.
"""

import asyncio
import threading
import time
from collections import Counter

SECOND = 1_000_000_000


class Bucket:
    """A quota: `rate` requests a second, `spare` of them at once."""

    def __init__(self, rate: int, spare: int) -> None:
        self._between = SECOND // rate
        self._ahead = self._between * (spare - 1)
        self._due = 0

    def allow(self, now: int) -> bool:
        """May a request pass now?"""
        due = max(self._due, now)
        if due - now > self._ahead:
            return False
        self._due = due + self._between
        return True


class Batches:
    """A quota: after each `size` requests none for a second. However slow a client is, it meets it."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._closed_until = 0

    def allow(self, now: int) -> bool:
        """May a request pass now?"""
        if now < self._closed_until:
            return False
        self._left -= 1
        if self._left == 0:
            self._left = self._size
            self._closed_until = now + SECOND
        return True


class Client:
    """What the service knows of one client name."""

    def __init__(self, quota: Bucket | Batches) -> None:
        self.quota = quota
        self.served: Counter[int] = Counter()
        self.throttled = 0


class Service:
    """Serves from a thread of its own from `with` on. Counts may be read at any time."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}
        self._told = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.port = 0

    def client(self, name: str, quota: Bucket | Batches) -> Client:
        """Admits a client."""
        self._clients[name] = Client(quota)
        return self._clients[name]

    def wait_for(self, client: Client, served: int, ended: "threading.Event") -> bool:
        """Waits until a client has been served so often. False: `ended` was set before."""
        with self._told:
            self._told.wait_for(lambda: ended.is_set() or client.served.total() >= served)
        return not ended.is_set()

    def wake(self) -> None:
        """For whoever sets `ended`."""
        with self._told:
            self._told.notify_all()

    def _answer(self, path: str) -> tuple[str, str]:
        _, name, item = path.split("/")
        client, number = self._clients[name], int(item)
        with self._told:
            if not client.quota.allow(time.monotonic_ns()):
                client.throttled += 1
                return "429 Too Many Requests\r\nRetry-After: 1", ""
            client.served[number] += 1
            self._told.notify_all()
        return "200 OK", str(number * number)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            status, body = self._answer(request.split(b" ", 2)[1].decode())
            writer.write(
                f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a client that was killed
        finally:
            writer.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._converse, "127.0.0.1", 0, backlog=512))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    def __enter__(self) -> "Service":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
