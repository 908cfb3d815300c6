"""Jobs on other machines: what is sent there, what happens there, and who is asked to do it."""
