"""Store: filesystems by URI, the journal, commits, publishing. The truth about a run is here and nowhere else."""
