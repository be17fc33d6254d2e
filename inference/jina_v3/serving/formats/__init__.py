"""The forms of bodies: what each says, and how an answer is written in each; nothing of HTTP and of handlers."""
