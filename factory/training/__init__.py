"""Training: a student from published traces, stage after stage of rising length, on Ray Train and TRL.

`plan` knows what a training will take without any of the libraries that train; `packs` writes what is trained on.
"""
