"""The route through Qualcomm's own converter and quantizer, where the SNPE or QAIRT SDK is."""
