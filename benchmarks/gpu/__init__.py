"""The GPU benchmark: ``benchmarks/bench_gpu.py`` is its entry, ``worker.py`` what runs on the device."""
