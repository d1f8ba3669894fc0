//! End to end, on real processes. One module for each area.
