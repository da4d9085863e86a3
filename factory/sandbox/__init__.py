"""Sandbox: stateful, isolated Python sessions for model-written code. Only `pool` knows Ray.

    actor (trusted, has secrets)      local, launcher, process, cell, output, scratch, canary; pool puts it into Ray
      | exec, clean environment; orders over a packet socket
    zygote (trusted, no secrets)      inside/zygote: imports and warms the mathematics once
      | fork per session
    session (untrusted)               inside/session: gives everything up, then inside/repl answers cells

What a session may do: compute; read the standard library, the named packages and the system's libraries; read and write
its own scratch folder, within limits. What is enforced is proven by `canary` at every start of a zygote.

What this does not stop: bugs of the kernel (for code that is hostile rather than careless, add gVisor or a virtual
machine), side channels by timing, questions about which files exist (their metadata stay visible), several threads of
one cell using several cores until the session's CPU seconds are used up, and a cell that lies about its own success.
"""
