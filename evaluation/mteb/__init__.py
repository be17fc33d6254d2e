"""mteb over the engine or an endpoint, by the paper's adapters, beside what was published: ``make evaluate``."""
