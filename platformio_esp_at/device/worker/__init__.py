"""The program that talks to the device: it drives esptool's Python API, for `device.session`.

esptool is licensed under the GPL (2.0 or later), so it stays in a program of its own: nothing else of ours imports it.
A request comes as a message over the input, its answers go over the output (`device.messages`). The end of the input
ends the program, whatever it is doing.
"""
