"""What operators do to a running ketlog: pause it, resume it, look after its dead letters."""
