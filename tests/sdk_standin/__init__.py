"""Stand-ins for Qualcomm's SDK: four releases whose tools take exactly what is documented.

`python tests/sdk_standin/make_sdk.py --version 2.25 --to DIR` lays one out. What is genuine: the
DLCs and context binaries, written by the libraries of the onnxruntime-qnn wheel, with ranges from
the raws that the tool was given or encodings as they were imposed. What is not: containers are v4
whatever the release, weights have 8 bits, biases are stored in 32 whatever was asked, activations
of mixed widths are refused, flags that have no effect here are named on stderr, and times are those
of this machine's CPU. Each call and what its raws hold is appended to DIR/stand-in/calls.jsonl;
DIR/stand-in/misbehaves makes tools mislead.
"""
