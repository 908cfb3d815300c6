"""Jobs on this machine: which devices there are, and processes that use them."""
