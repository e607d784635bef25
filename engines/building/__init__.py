"""From ONNX to an engine folder, proved and timed."""
