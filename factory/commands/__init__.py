"""Commands: what `factory ...` does, in two kinds of files. Knows every other room; only `cli` knows it.

`runs`, `answers`, `cells`, `transcripts` and `decontamination` hold the commands of a subject: a signature that is the
command's options, and a call. They import the rest inside, so that `factory --help` answers at once. Every other file
is the work of one command where no room below does it: mostly a file of JSON lines read by `jsonl` and answered row by
row.
"""
