"""Programs that judge a real checkpoint; nothing imports them but tests."""
