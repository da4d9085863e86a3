"""What runs in the zygote and in its sessions. Knows the standard library and nothing else of the project.

The actor starts it in a clean interpreter; model-written code shares the process with it. Nothing here is a secret, and
nothing that a session answers is trusted by the other side.
"""
