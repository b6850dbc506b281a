//! The exact words for every kind of mistake, and that none hides another.

use std::path::{Path, PathBuf};

use gatehouse_config::{Config, Credentials};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every file of `bad/` beside what is said about it. `UPDATE=1` writes anew what is said; the
/// change is then for a person to read.
#[test]
fn each_kind_of_mistake_is_told_in_these_very_words() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut seen = 0;
    for entry in std::fs::read_dir(here("bad")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        seen += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let told = Config::parse(&text, &name).expect_err(&name).to_string();
        assert!(!told.contains("hunter"), "{name} shows a password:\n{told}");
        assert!(!told.contains('\u{1b}'), "{name} is told in colours nobody asked for");
        let expected = path.with_extension("txt");
        if update {
            std::fs::write(&expected, &told).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(told, expected, "{name}");
    }
    assert!(seen >= 29, "{seen} files in bad/");
}

/// The same for lists of credentials: read with the configuration as it is shipped.
#[test]
fn each_mistake_in_a_list_of_credentials_is_told_in_these_very_words() {
    let config = std::fs::read_to_string(here("gateway.toml")).unwrap();
    let config = Config::parse(&config, "gateway.toml").unwrap();
    let path = here("bad/credentials/everything.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let told = Credentials::parse(&text, "credentials.toml", &config).unwrap_err().to_string();
    // Somebody put a card's number and digits of PINs where hashes belong.
    for secret in ["1984", "1985", "12345678"] {
        assert!(!told.contains(secret), "{told}");
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path.with_extension("txt"), &told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(path.with_extension("txt")).unwrap());
}

#[test]
fn a_file_with_six_mistakes_reports_six() {
    let text = std::fs::read_to_string(here("bad/six-mistakes.toml")).unwrap();
    assert_eq!(Config::parse(&text, "x").unwrap_err().len(), 6);
}
