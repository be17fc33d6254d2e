"""Whom to ask: targets, policies over them, and what is known of their health."""
