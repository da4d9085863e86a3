"""Store: filesystems by URI, the journal, commits, publishing. Truth lies here and nowhere else."""
