//! The colors of light and dark, as values of names, and the style of pictures, which uses these.

pub(crate) const LIGHT: &str = include_str!("light.css");
pub(crate) const DARK: &str = include_str!("dark.css");
pub(crate) const MAP: &str = include_str!("map.css");
