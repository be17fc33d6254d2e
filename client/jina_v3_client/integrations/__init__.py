"""Where people already are: each module needs its own library, and nothing else imports it."""
