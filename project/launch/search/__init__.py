"""A search over configurations: its space, its sampler and pruner, and the study that it keeps."""
