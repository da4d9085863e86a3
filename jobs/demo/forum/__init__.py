"""A generated forum: threads with a known key, as a Stack Exchange dump and as AoPS discussions.

`posed` makes problems of every kind that curation tells apart, `chatter` what people say around them, `threads` puts
both together with replies and keeps the key, `formats` writes a thread as the two formats have it.
"""
