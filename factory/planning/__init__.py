"""Planning: what a run will cost before it is started. Knows recipe and records; reads a pilot through the store."""
