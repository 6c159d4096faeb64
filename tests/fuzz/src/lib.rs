//! Fuzz targets: each is a function that takes any bytes and panics when the component does what it must not.
//!
//! A target sends what a stranger could send through the gateway, over ports in memory and by a clock that stands
//! still, so that an input means the same in every run. What no mutation can find (a code, a cookie, a signed token)
//! an input names in braces, as `{code}`; [`world`] puts the real one in its place.

pub mod json;
pub mod message;
pub mod targets;
pub mod world;
