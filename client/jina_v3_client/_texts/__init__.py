"""Texts into requests, and answers into arrays; nothing is sent here."""
