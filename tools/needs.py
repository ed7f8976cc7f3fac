"""Prints what pyproject.toml names: the build requirements, the dependencies and the extras given as arguments, one a line.

With --alone first: the extras alone.
"""

import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    spec = tomllib.load(file)
project = spec["project"]
extras = sys.argv[1:]
lines = []
if extras[:1] == ["--alone"]:
    del extras[0]
else:
    lines += [*spec["build-system"]["requires"], *project["dependencies"]]
for extra in extras:
    lines += project["optional-dependencies"][extra]
print("\n".join(lines))
