"""What a %%rust cell costs, against cargo, rustc and other ways to the same end, side by side in one run."""
