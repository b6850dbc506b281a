//! The folder of evidence: how long clips and pictures are kept, and that they never fill the disk.
//!
//! A class is a folder below the root. What goes, goes by the oldest first, in this order:
//! - what is older than its class allows, if the wall clock can be believed;
//! - what its class has beyond its bytes;
//! - what keeps the medium from having the free bytes that the journal needs: first of the classes
//!   that matter least.
//!
//! Everything that went is told, with the reason. Files that are still being written are not
//! touched, and links are not followed.

mod load;
mod plan;
mod sweep;

pub use load::Load;
pub use plan::{Class, Item, Policy, Reason, Removal, plan};
pub use sweep::{SweepError, Swept, sweep};
