"""How the other servers are started; run by the Python of ``.venv-peers-endpoint``, which has what they need."""
