"""A stand-in for a phone behind adb: it speaks adb's protocol on loopback; nothing in it is one.

`python tests/adb/standin_device/serve.py --root DIR --chip SM8550` starts one and prints its port;
`adb connect 127.0.0.1:PORT` reaches it. It answers getprop, dumpsys, /sys and /proc like a phone,
with DIR for its file system; the programs of an SDK that are pushed to it run a DLC on the emulated
HTP of this PC. DIR/faults.json makes it misbehave, see `faults`. The property ro.hexdet.standin is
1: no time that it gives is a device's.
"""
