"""Where a network runs, in what, and in which number formats: the names that a calibration and its prediction share."""

EAGER, RUNTIME = "eager", "runtime"  # PyTorch operator by operator; ONNX Runtime
ONE, ALL, GPU = "on one thread", "on all threads", "on the GPU"
ONNX_FORMATS = ("fp32", "int8 static", "int8 dynamic")  # that ONNX Runtime's own quantiser writes, and its source
