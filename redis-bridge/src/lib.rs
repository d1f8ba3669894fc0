//! tidegate's bridge: the only part that knows Redis.
