"""How our client fares beside what people write by hand, against an endpoint on loopback."""
