"""The batch state machine at sizes that no test can reach: the real definition and steps, over a simulated AWS."""
