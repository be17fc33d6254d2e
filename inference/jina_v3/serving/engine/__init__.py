"""Engine processes: each holds the model on one device, and is talked to over a socket.

A process by itself, because a device that fails takes its process along: the server lives on, says so at ``/ping`` and
answers what was in flight. ``worker`` runs inside it, ``process`` is the server's handle on it.
"""
