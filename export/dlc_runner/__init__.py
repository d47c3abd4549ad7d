"""The DLC itself, executed through Qualcomm's own libraries: the rung above the device."""
