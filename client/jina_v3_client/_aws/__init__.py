"""AWS as the client needs it: credentials, addresses, signing, sending, and what a deployment has."""
