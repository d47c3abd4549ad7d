"""What Qualcomm's measuring tools print and write, as typed values."""
