"""Single modules: energy mover's distance, telescope loss, and the metrics of module codecs."""
