"""Callbacks for other libraries' training loops; each module needs its library only at use."""
