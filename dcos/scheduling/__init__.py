"""What every scheduler of ours does: name, build and place tasks. Pure."""
