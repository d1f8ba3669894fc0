//! tidegate-stack
