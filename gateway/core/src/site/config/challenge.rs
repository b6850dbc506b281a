//! The challenge test: an output that is wired back to an input.

use std::time::Duration;

/// How a challenge goes through the site's own wires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeConfig {
    /// The output, by its place in [`SiteConfig::outputs`](super::SiteConfig::outputs).
    pub output: usize,
    /// The input it is wired to, as events name it.
    pub driver: String,
    /// The output is on for so long.
    pub pulse: Duration,
    /// The input must have followed, and be normal again, within so long.
    pub within: Duration,
}
