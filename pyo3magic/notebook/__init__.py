"""All that knows IPython: the magics, the extension that registers them, and what they show."""
