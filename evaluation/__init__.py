"""Programs that judge a checkpoint or an endpoint; nothing imports them but tests."""
