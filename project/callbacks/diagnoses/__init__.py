"""What is wrong with a training, as far as its numbers show it.

A callback looks on (`watching`); each diagnosis is a function from what was seen to a sentence, or
to nothing. `project.commands.diagnosing` brings them together with what a run has recorded.
"""
