"""Prints what pyproject.toml names: the build requirements, the dependencies and the extras given as arguments, one a line."""

import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    spec = tomllib.load(file)
project = spec["project"]
lines = [*spec["build-system"]["requires"], *project["dependencies"]]
for extra in sys.argv[1:]:
    lines += project["optional-dependencies"][extra]
print("\n".join(lines))
