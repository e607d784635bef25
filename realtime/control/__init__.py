"""Control of a running tracker by a program of the same user, such as `kinecast app`."""
