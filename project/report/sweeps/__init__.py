"""A sweep as people see it: a live table or plain lines, then a summary."""
