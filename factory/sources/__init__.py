"""Sources: threads and problems in. Knows records and recipe; every malformed row becomes a `Reject`."""
