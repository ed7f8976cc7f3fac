"""The process of one competitor in one workload: opens it, measures when told to, closes it.

    python -m harness.child WORKLOAD COMPETITOR COMMANDS ANSWERS

Commands come, and answers go, as lines of JSON over two inherited pipes; stdout and stderr are a log. It ends when the commands do.
Spawned workers import this module as their main one, so it imports little.
"""

import importlib
import json
import os
import sys


def main() -> None:
    """Obeys until there are no more commands."""
    folder, name = sys.argv[1:3]
    commands = os.fdopen(int(sys.argv[3]), encoding="utf-8")
    answers = os.fdopen(int(sys.argv[4]), "w", encoding="utf-8", buffering=1)

    def answer(**what: object) -> None:
        answers.write(json.dumps(what) + "\n")

    try:
        workload = importlib.import_module(f"{folder}.workload")
        module = importlib.import_module(f"{folder}.{name}")
        with module.competitor() as subject:
            answer(ready=True)
            for line in commands:
                command = json.loads(line)
                try:
                    value = workload.measure(subject, command["run"], command["quick"])
                    answer(values=value if isinstance(value, dict) else {command["run"]: value})
                except Exception as error:
                    answer(error=describe(error))
                    log()
    except BaseException as error:
        answer(error=describe(error))
        log()
        raise SystemExit(1) from None
    answer(closed=True)


def describe(error: BaseException) -> str:
    """One line, not too long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__


def log() -> None:
    """The whole story, for who looks into the log."""
    import traceback

    traceback.print_exc()


if __name__ == "__main__":
    main()
