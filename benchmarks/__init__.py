"""Programs that measure the encoder against its peers and against the machine; nothing imports them but tests."""
