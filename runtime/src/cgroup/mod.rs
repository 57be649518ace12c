//! Control groups: where a container sits, its limits, its statistics.
