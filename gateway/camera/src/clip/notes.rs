//! What is known of a file while it is made.

use std::path::Path;

use gatehouse_core::time::Mono;

use super::plan::Plan;

/// Is told of each file before it is there, and whenever it covers more: so that whoever finds it after
/// a power cut knows what it is of. Called on the recorder's thread; may block on the disk.
pub trait Notes: Send {
    /// A file of this plan is made; its first frame had come then. `file` is its final name.
    fn making(&self, file: &Path, plan: &Plan, first: Mono);
}
