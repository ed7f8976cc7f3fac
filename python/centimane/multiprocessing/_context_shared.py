"""Methods of our contexts that make what processes share; each names its class's module when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import BaseContext

    from . import synchronize


class SharedObjects:
    """Comes before a context's own class."""

    def _as_context(self) -> BaseContext:
        return cast("BaseContext", self)

    def Lock(self) -> synchronize.Lock:
        """See ``synchronize.Lock``."""
        from .synchronize import Lock

        return Lock(ctx=self._as_context())

    def RLock(self) -> synchronize.RLock:
        """See ``synchronize.RLock``."""
        from .synchronize import RLock

        return RLock(ctx=self._as_context())

    def Semaphore(self, value: int = 1) -> synchronize.Semaphore:
        """See ``synchronize.Semaphore``."""
        from .synchronize import Semaphore

        return Semaphore(value, ctx=self._as_context())

    def BoundedSemaphore(self, value: int = 1) -> synchronize.BoundedSemaphore:
        """See ``synchronize.BoundedSemaphore``."""
        from .synchronize import BoundedSemaphore

        return BoundedSemaphore(value, ctx=self._as_context())

    def Condition(self, lock: synchronize.Lock | synchronize.RLock | None = None) -> synchronize.Condition:
        """See ``synchronize.Condition``."""
        from .synchronize import Condition

        return Condition(lock, ctx=self._as_context())

    def Event(self) -> synchronize.Event:
        """See ``synchronize.Event``."""
        from .synchronize import Event

        return Event(ctx=self._as_context())

    def Barrier(
        self, parties: int, action: Callable[[], object] | None = None, timeout: float | None = None
    ) -> synchronize.Barrier:
        """See ``synchronize.Barrier``."""
        from .synchronize import Barrier

        return Barrier(parties, action, timeout, ctx=self._as_context())

    def RawValue(self, typecode_or_type: Any, *args: Any) -> Any:
        """See ``sharedctypes.RawValue``."""
        from .sharedctypes import RawValue

        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type: Any, size_or_initializer: Any) -> Any:
        """See ``sharedctypes.RawArray``."""
        from .sharedctypes import RawArray

        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type: Any, *args: Any, lock: Any = True) -> Any:
        """See ``sharedctypes.Value``."""
        from .sharedctypes import Value

        return Value(typecode_or_type, *args, lock=lock, ctx=self._as_context())

    def Array(self, typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = True) -> Any:
        """See ``sharedctypes.Array``."""
        from .sharedctypes import Array

        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self._as_context())
