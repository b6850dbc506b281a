//! The rules of a site as one pure function: `Site::apply(input, now) -> effects`.

mod config;

pub use config::{DoorConfig, SiteConfig};
