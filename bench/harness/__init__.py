"""What all workloads share: how competitors are found, run in turn, ended, recorded and reported.

`child` runs in a competitor's process and imports little; everything else runs in the process that holds the contest. README.md of the
folder above says how a workload and a competitor are added.
"""

WORKERS = 2
"""Workers of every pool that is measured, unless the workload is about their number."""
