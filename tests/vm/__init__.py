"""What a container cannot show, as it has the kernel of the machine that it is on."""
