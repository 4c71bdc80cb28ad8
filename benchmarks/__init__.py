"""Ratios of symgd and its peers, all measured in one run on the machine at hand.

Run ``python -m benchmarks`` from the root of the repository; ``--help`` lists the
options. ``pip install ".[bench]"`` brings the peers; what is missing is left out.
"""
