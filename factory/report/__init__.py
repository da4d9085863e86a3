"""Report: the funnel, the dataset card, plots. Reads the store, changes nothing."""
