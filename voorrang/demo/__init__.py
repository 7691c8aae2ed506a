"""What `voorrang demo` shows: synthetic studies of people who do not exist."""
