"""Verify: answers out of text, equivalence of answers, votes, references. Knows records and recipe."""
