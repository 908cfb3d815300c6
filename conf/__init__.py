"""Configuration groups; a package so that an installed command finds them."""
