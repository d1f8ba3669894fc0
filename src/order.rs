//! Sorting.

use std::collections::BinaryHeap;

/// `items` in ascending order.
///
/// By a heap: what is sorted here are a handful of names, and `sort_unstable` would cost the module 3 to
/// 4 KiB for every type. O(n log n), in place.
pub(crate) fn sorted<T: Ord>(items: Vec<T>) -> Vec<T> {
    BinaryHeap::from(items).into_sorted_vec()
}
