//! What is deployed: the recommended broker, its ACL, the unit's sandbox, the package.

mod broker;
mod cluster;
mod package;
mod unit;

use std::path::{Path, PathBuf};

/// A file below `deploy/`.
fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("deploy").join(path)
}
