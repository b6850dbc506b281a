//! Writes the files that are made from the declaration of the keys: `config/gateway.schema.json`
//! and `deploy/man/gateway.toml.5`, and the same for `credentials.toml`. A test fails while they are not up to date.
//!
//! `cargo run -p gatehouse-config --example generate`

use std::path::Path;

use gatehouse_config::{Config, Credentials, credentials_man_page, man_page};

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(here.join("gateway.schema.json"), Config::schema())?;
    let man = here.join("../deploy/man");
    std::fs::create_dir_all(&man)?;
    std::fs::write(man.join("gateway.toml.5"), man_page())?;
    std::fs::write(here.join("credentials.schema.json"), Credentials::schema())?;
    std::fs::write(man.join("credentials.toml.5"), credentials_man_page())
}
