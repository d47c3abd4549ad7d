"""What is in a dataset and what is wrong with it, as JSON, as a page and as a contact sheet."""
