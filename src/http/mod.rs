//! HTTP as the filter sees it: header fields as bytes, every value of every field.

pub mod date;
pub mod headers;

pub use headers::Headers;
