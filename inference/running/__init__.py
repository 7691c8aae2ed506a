"""How models are run: in a child that can be killed, on which device, at which precision, with how much memory."""
