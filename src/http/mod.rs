//! HTTP as the filter sees it: header fields as bytes, every value of every field.

pub mod cookie;
pub mod date;
pub mod headers;
pub mod problem;

pub use headers::Headers;
