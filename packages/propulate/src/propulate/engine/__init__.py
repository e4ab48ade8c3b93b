"""The engine: what one worker does, apart from how it communicates."""
