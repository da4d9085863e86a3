"""Views: what a run is turned into without a model, one file a view. Knows records and store; no engine, no recipe."""
