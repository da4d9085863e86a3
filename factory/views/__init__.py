"""Views: what a run is turned into without a model, one file a view. Knows records, store and dialects; no engine."""
