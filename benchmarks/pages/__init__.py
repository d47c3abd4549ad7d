"""The pages of the benchmarks: their drawings and their templates."""
