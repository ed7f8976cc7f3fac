"""Runs and the process around them: its forks, its end, its standard streams."""

from __future__ import annotations

import pytest
from conftest import Script


@pytest.mark.parametrize("callback", [False, True], ids=["between_runs", "in_a_callback"])
def test_a_fork_has_threads_of_its_own(script: Script, callback: bool) -> None:
    """Nothing but threads is used here: whatever forks must know of hands must be known without the process side."""
    told = script(
        """
        import os
        from centimane import parallel_map

        def fork(item=None):
            if item is not None and item.index != 3:
                return
            child = os.fork()
            if child == 0:
                os._exit(0 if parallel_map(abs, range(5), workers=2).values() == [0, 1, 2, 3, 4] else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        in_callback = IN_CALLBACK
        print(parallel_map(abs, range(5), workers=2, on_result=fork if in_callback else None).values())
        if not in_callback:
            fork()
        """.replace("IN_CALLBACK", str(callback))
    )
    assert told.returncode == 0, told.stderr
    assert sorted(told.stdout.split("\n")) == ["", "0", "[0, 1, 2, 3, 4]"]
